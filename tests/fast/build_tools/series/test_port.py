"""Claims: a port says of each patch whether it fits another source, and why not; never fuzz."""

from __future__ import annotations

import pytest

from build_tools.pin.definition import load_pin
from build_tools.series.folder import Series, load_series, series_folder
from build_tools.series.port import Outcome, PortReport, try_series, write_ported
from build_tools.tree.base import ensure_base, tree_folder
from build_tools.tree.repository import Repository
from llamaproof.errors import BadInput
from tests.support.build_tools.sources import FILES, LINES, hash_of, pin_text, sdist, silent
from tests.support.build_tools.workbench import Workbench, contents_of

NEXT = "toy-1.1"


def _next_release(bench: Workbench, files: dict[str, bytes]) -> tuple[Repository, Series]:
    """A second pin in the same checkout, laid out."""
    data = sdist(files)
    text = pin_text(data, hash_of(files)).replace('version = "1.0"', 'version = "1.1"')
    (bench.checkout / "vendor" / f"{NEXT}.toml").write_text(text)
    (bench.checkout / ".cache" / "sdist" / "toy-1.0.tar.gz").write_bytes(data)
    pin = load_pin(bench.checkout, NEXT)
    folder = tree_folder(bench.checkout, NEXT)
    repository = ensure_base(bench.checkout, pin, folder, silent)
    return repository, load_series(series_folder(bench.checkout, NEXT))


def _outcomes(report: PortReport) -> dict[str, tuple[Outcome, tuple[str, ...]]]:
    return {p.patch.name: (p.outcome, p.reasons) for p in report.patches}


def test_a_series_that_fits_is_carried_over_with_its_lines_renewed(patched: Workbench) -> None:
    moved = {**FILES, "a.txt": LINES.replace(b"line 10\n", b"line 10\nnew\n")}
    repository, there = _next_release(patched, moved)
    report = try_series(repository, patched.series)
    assert _outcomes(report) == {
        "0001-early.patch": (Outcome.APPLIES, ()),
        "0002-late.patch": (Outcome.APPLIES_ELSEWHERE, ("hunk 1 of a.txt is 1 lines off",)),
        "0003-files.patch": (Outcome.APPLIES, ()),
    }
    assert report
    pin = load_pin(patched.checkout, NEXT)
    write_ported(repository, there, pin, report, silent)
    written = load_series(series_folder(patched.checkout, NEXT))
    assert written.names == patched.series.names
    assert b"@@ -28,7 +28,8 @@" in written.patches[1].diff
    assert b"line three" in contents_of(repository.path)["a.txt"]
    with pytest.raises(BadInput, match="has a series already"):
        write_ported(repository, written, pin, report, silent)


def test_each_patch_that_does_not_fit_says_why(patched: Workbench) -> None:
    changed = {**FILES, "a.txt": LINES.replace(b"line 29\n", b"line XXIX\n")}
    del changed["src/c.h"]
    patched.patch_line("0004-on-late.patch", "a.txt", b"and more", b"and even more")
    repository, there = _next_release(patched, changed)
    before = contents_of(repository.path)
    report = try_series(repository, patched.series)
    assert not report
    assert [p.name for p in report.carried] == ["0001-early.patch"]
    outcomes = _outcomes(report)
    assert outcomes["0001-early.patch"] == (Outcome.APPLIES, ())
    assert outcomes["0002-late.patch"] == (
        Outcome.DOES_NOT_APPLY,
        ("hunk 1 of a.txt (line 27) does not match: the file has no line 'line 29'",),
    )
    assert outcomes["0003-files.patch"] == (
        Outcome.DOES_NOT_APPLY,
        ("src/c.h: the file is missing",),
    )
    outcome, reasons = outcomes["0004-on-late.patch"]
    assert outcome is Outcome.DOES_NOT_APPLY
    assert "0002-late.patch, which does not apply, changes too" in reasons[-1]
    assert contents_of(repository.path) == before
    with pytest.raises(BadInput, match=r"not ported: 0002-late\.patch, 0003-files\.patch"):
        write_ported(repository, there, load_pin(patched.checkout, NEXT), report, silent)
    assert not series_folder(patched.checkout, NEXT).exists()


def test_a_patch_that_the_next_release_took_in_is_left_behind(patched: Workbench) -> None:
    taken = {**FILES, "a.txt": LINES.replace(b"line 3\n", b"line three\n")}
    repository, there = _next_release(patched, taken)
    report = try_series(repository, patched.series)
    assert _outcomes(report)["0001-early.patch"][0] is Outcome.THERE_ALREADY
    assert report
    write_ported(repository, there, load_pin(patched.checkout, NEXT), report, silent)
    written = load_series(series_folder(patched.checkout, NEXT))
    assert written.names == ("0002-late.patch", "0003-files.patch")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (LINES.replace(b"line 4\n", b"line 4 \n"), "the file has no line 'line 4'"),
        (LINES.replace(b"line 4\n", b"line 5\n"), "the file has no line 'line 4'"),
        (b"first\n" + LINES, "its lines are no longer at the start of the file"),
        (LINES.replace(b"line 3\n", b"line three\n", 1) + b"line 3\n", "is there already"),
    ],
)
def test_there_is_no_fuzz(patched: Workbench, content: bytes, reason: str) -> None:
    repository, _ = _next_release(patched, {**FILES, "a.txt": content})
    ported = try_series(repository, patched.series).patches[0]
    if "already" in reason:
        assert ported.outcome is Outcome.THERE_ALREADY
    else:
        assert ported.outcome is Outcome.DOES_NOT_APPLY
        assert ported.reasons == (f"hunk 1 of a.txt (line 1) does not match: {reason}",)


def test_a_hunk_at_the_end_of_its_file_stays_at_the_end(bench: Workbench) -> None:
    bench.edit("a.txt", b"line 40\n", b"line 40\nline 41\n")
    bench.add("0001-end.patch")
    repository, _ = _next_release(bench, {**FILES, "a.txt": LINES + b"more\n"})
    ported = try_series(repository, bench.series).patches[0]
    assert ported.reasons == (
        "hunk 1 of a.txt (line 38) does not match: its lines are no longer at the end of the file",
    )
