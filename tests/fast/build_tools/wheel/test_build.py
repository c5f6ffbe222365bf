"""Claims: each toolkit has a build folder of its own; a word that means nothing starts nothing."""

from pathlib import Path

import pytest

from build_tools.toolkit.arch import parse_arch
from build_tools.toolkit.settings import ToolkitSettings
from build_tools.toolkit.toolkit import Toolkit
from build_tools.wheel import inputs
from build_tools.wheel.build import build_folder
from build_tools.wheel.inputs import Inputs, Wanted, take_inputs
from llamaproof.errors import BadInput
from tests.support.build_tools.small_source import small_tree


def test_another_toolkit_compiles_in_another_folder() -> None:
    def folder(root: str) -> Path:
        toolkit = Toolkit(
            root=Path(root), version="13.0", build="13.0.88", archs=(89,), recipe=None
        )
        tree = small_tree(Path("tree"))
        return build_folder(Path("c"), Inputs(tree=tree, archs=parse_arch("89"), toolkit=toolkit))

    assert folder("one") != folder("two")
    assert folder("one") == folder("one")


def test_an_architecture_that_means_nothing_is_refused_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*_args: object, **_kwargs: object) -> None:
        pytest.fail("something was fetched")

    monkeypatch.setattr(inputs, "prepare_tree", fetch)
    monkeypatch.setattr(inputs, "ensure_toolkit", fetch)
    wanted = Wanted(arch="12", toolkit=ToolkitSettings(), pin="none", first=None)
    with pytest.raises(BadInput, match="'12' means nothing to this toolkit"):
        take_inputs(tmp_path, wanted)
