"""Claims: a series' folder is read whole or refused in words, and written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from build_tools.series.edit import drop_patch
from build_tools.series.folder import load_series, write_series
from build_tools.series.lock import read_lock
from build_tools.series.order import read_order
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import silent
from tests.support.build_tools.workbench import (
    Workbench,
)

EARLY, LATE, FILES_PATCH = "0001-early.patch", "0002-late.patch", "0003-files.patch"


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (f"{EARLY}\n{LATE}\n", f"{FILES_PATCH} is there but not listed"),
        (f"{EARLY}\n{LATE}\n{FILES_PATCH}\n0009-x.patch\n", "0009-x.patch is listed but not there"),
        (f"{EARLY}\n{LATE}\n{FILES_PATCH}\n{EARLY}\n", f"{EARLY} is listed twice"),
        (f"{EARLY}\n{LATE}\n{FILES_PATCH}\n../x.patch\n", "../x.patch is no name for a patch"),
    ],
)
def test_order_file_and_folder_must_agree(patched: Workbench, order: str, said: str) -> None:
    (patched.folder / "series").write_text(order)
    with pytest.raises(BadInput) as caught:
        patched.prepare()
    assert said in caught.value.what


def test_what_else_lies_in_the_folder_stays(patched: Workbench) -> None:
    (patched.folder / "README.md").write_text("why\n")
    (patched.folder / "notes").mkdir()
    (patched.folder / "notes" / "x").write_text("x\n")
    drop_patch(patched.repository, patched.series, patched.pin, FILES_PATCH, silent)
    assert (patched.folder / "README.md").read_text() == "why\n"
    assert (patched.folder / "notes" / "x").read_text() == "x\n"


def test_a_patch_file_without_a_diff_is_refused_by_name(patched: Workbench) -> None:
    (patched.folder / LATE).write_text("nothing\n")
    with pytest.raises(BadInput, match=f"{LATE} holds no"):
        load_series(patched.folder)


def test_a_writing_that_fails_leaves_the_folder(
    patched: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = patched.files()
    series, lock = patched.series, read_lock(patched.folder)
    assert lock is not None
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(28, "No space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="No space"):
        write_series(series.with_patches(series.patches[:1]), lock)
    assert patched.files() == before
    assert [path.name for path in patched.folder.parent.iterdir()] == [patched.folder.name]


def test_the_order_file_may_be_commented(tmp_path: Path) -> None:
    (tmp_path / "series").write_text("# first\n\na.patch\n# of b\nb.patch\n# end\n")
    order = read_order(tmp_path)
    assert order.names == ("a.patch", "b.patch")
    assert order.text() == "# first\n\na.patch\n# of b\nb.patch\n# end\n"
    assert order.reordered(["b.patch"]).text() == "# of b\nb.patch\n# end\n"
