"""A series: the folder patches/<pin>/ with its order file, its patches and its lock."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from build_tools.series.lock import LOCK_NAME, SeriesLock
from build_tools.series.order import ORDER_NAME, OrderFile, disagreements, read_order
from build_tools.series.patch import PatchFile, read_patch
from llamaproof.errors import BadInput


@dataclass(frozen=True, kw_only=True)
class Series:
    """The patches over one pin, in order; none where the pin has no series.

    Attributes:
        folder: patches/<pin>/.
        order: what the order file says.
        patches: the patches, in its order.
    """

    folder: Path
    order: OrderFile
    patches: tuple[PatchFile, ...] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(patch.name for patch in self.patches)

    def index(self, name: str) -> int:
        """A patch's place.

        Raises:
            BadInput: there is no such patch.
        """
        if name not in self.names:
            known = ", ".join(self.names) or "none"
            raise BadInput(f"no patch is called {name}", where=self.folder, hint=f"known: {known}")
        return self.names.index(name)

    def with_patches(self, patches: Sequence[PatchFile]) -> Series:
        """The series with other patches, or the same in another order."""
        order = self.order.reordered([patch.name for patch in patches])
        return replace(self, patches=tuple(patches), order=order)


def series_folder(checkout: Path, pin_name: str) -> Path:
    return checkout / "patches" / pin_name


def load_series(folder: Path) -> Series:
    """Read a series; a folder without an order file is a series of nothing.

    Raises:
        BadInput: order file and folder do not agree, or a patch holds no diff.
    """
    recover_folder(folder)
    order = read_order(folder)
    problems = disagreements(folder, order)
    if problems:
        raise BadInput(
            f"order file and folder disagree: {'; '.join(problems)}",
            where=folder,
            hint=f"mend {ORDER_NAME}; patches are added with `series add`",
        )
    patches = tuple(read_patch(name, (folder / name).read_bytes()) for name in order.names)
    return Series(folder=folder, order=order, patches=patches)


def write_series(series: Series, lock: SeriesLock) -> bool:
    """Replace a series' folder by this one, whole or not at all; False when nothing differs."""
    folder = series.folder
    recover_folder(folder)
    files = {patch.name: patch.data for patch in series.patches}
    files[ORDER_NAME] = series.order.text().encode()
    files[LOCK_NAME] = lock.text().encode()
    kept = [p for p in folder.iterdir() if not _is_ours(p)] if folder.is_dir() else []
    if folder.is_dir() and _contents(folder) == files:
        return False
    new, old = _beside(folder, "new"), _beside(folder, "old")
    new.mkdir(parents=True)
    try:
        for path in kept:
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, new / path.name)
        for name, data in files.items():
            (new / name).write_bytes(data)
        if folder.is_dir():
            folder.rename(old)
        new.rename(folder)
    finally:
        recover_folder(folder)
    return True


def recover_folder(folder: Path) -> None:
    """Clear what an interrupted `write_series` left: the folder is then the old or the new one."""
    new, old = _beside(folder, "new"), _beside(folder, "old")
    if old.exists() and not folder.exists():
        old.rename(folder)
    for remains in (new, old):
        if remains.exists():
            shutil.rmtree(remains)


def slug(text: str) -> str:
    """Words as a patch's name spells them."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-")[:60] or "patch"


def _is_ours(path: Path) -> bool:
    return path.suffix == ".patch" or path.name in (ORDER_NAME, LOCK_NAME)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if _is_ours(path)}


def _beside(folder: Path, suffix: str) -> Path:
    return folder.with_name(f".{folder.name}.{suffix}")
