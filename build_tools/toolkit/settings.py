"""What a user says of the toolkit that is to be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from build_tools.toolkit.recipes import CUDA12, DEFAULT, RECIPES, recipe_named
from llamaproof.errors import BadInput

# Each may stand in the environment too.
SETTINGS = {
    "CUDA": f"{', '.join(recipe.name for recipe in RECIPES)} (default {DEFAULT.name})",
    "CUDA_DEB": f"for CUDA={CUDA12.name}: Debian's package with nvcc, if apt does not bring it",
    "CUDA_HOME": "the folder of a toolkit of your own",
}


@dataclass(frozen=True, kw_only=True)
class ToolkitSettings:
    """Which toolkit is to be used.

    Attributes:
        cuda: the name of a recipe; None where nothing was said.
        deb: Debian's package, where the user has it already.
        home: a toolkit of the user's own, which then takes the place of a recipe's.
    """

    cuda: str | None = None
    deb: Path | None = None
    home: Path | None = None


def toolkit_settings(given: Mapping[str, str], env: Mapping[str, str]) -> ToolkitSettings:
    """Read the settings; what was given on the command line goes before the environment.

    Raises:
        BadInput: CUDA names no toolkit, or CUDA_DEB a file that is not there.
    """
    said = {name: given.get(name) or env.get(name) or None for name in SETTINGS}
    cuda, deb, home = said["CUDA"], said["CUDA_DEB"], said["CUDA_HOME"]
    # Beside CUDA_HOME it says what the user takes that folder to be: 12, or 12.8.
    if cuda is not None and home is None:
        recipe_named(cuda)
    if deb is not None and not Path(deb).is_file():
        raise BadInput("CUDA_DEB names no file", where=deb)
    return ToolkitSettings(
        cuda=cuda,
        deb=Path(deb) if deb is not None else None,
        home=Path(home) if home is not None else None,
    )
