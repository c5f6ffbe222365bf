"""A series: the folder patches/<pin>/ with its order file, its patches and its lock."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from build_tools.series.lock import LOCK_NAME, SeriesLock
from build_tools.series.patch import NAME_PATTERN, PatchFile, read_patch
from llamaproof.errors import BadInput

ORDER_NAME = "series"


@dataclass(frozen=True, kw_only=True)
class OrderFile:
    """The order file: each patch's name with the comment lines above it, then a last comment."""

    entries: tuple[tuple[tuple[str, ...], str], ...]
    tail: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for _, name in self.entries)

    def text(self) -> str:
        lines = [line for comments, name in self.entries for line in (*comments, name)]
        return "".join(f"{line}\n" for line in (*lines, *self.tail))

    def reordered(self, names: Sequence[str]) -> OrderFile:
        """The same comments over another list of names."""
        comments = {name: above for above, name in self.entries}
        return replace(self, entries=tuple((comments.get(name, ()), name) for name in names))


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


def read_order(folder: Path) -> OrderFile:
    """Read the order file: one name a line, `#` starts a comment line."""
    path = folder / ORDER_NAME
    entries: list[tuple[tuple[str, ...], str]] = []
    comments: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        if not line.strip() or line.startswith("#"):
            comments.append(line)
        else:
            entries.append((tuple(comments), line.strip()))
            comments = []
    return OrderFile(entries=tuple(entries), tail=tuple(comments))


def disagreements(folder: Path, order: OrderFile) -> tuple[str, ...]:
    """Each way in which order file and folder do not belong together, in words."""
    present = {path.name for path in folder.glob("*.patch")} if folder.is_dir() else set()
    listed = order.names
    odd = [name for name in listed if not NAME_PATTERN.fullmatch(name)]
    return (
        *(f"{name} is no name for a patch (0001-what-it-does.patch)" for name in odd),
        *(f"{name} is listed twice" for name in sorted({n for n in listed if listed.count(n) > 1})),
        *(f"{name} is listed but not there" for name in listed if name not in present),
        *(f"{name} is there but not listed" for name in sorted(present - set(listed))),
    )


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
