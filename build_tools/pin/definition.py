"""A pin: the text in vendor/ that names one source exactly."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from llamaproof.errors import BadInput

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# What the commands work on unless they are told another.
DEFAULT_PIN = "llama-cpp-python-0.3.16"

_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_VERSION = re.compile(r"\d+(\.\d+)+")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\.tar\.gz")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One source, named so that nothing else can be taken for it.

    Attributes:
        distribution: the name that pip knows it by.
        version: its release.
        sdist_file: the archive's file name.
        sdist_sha256: hash of the archive's bytes.
        sdist_size: the archive's size in bytes.
        llama_cpp_commit: the llama.cpp commit that the sdist vendors, 40 hex digits.
        tree_sha256: hash of the unpacked tree, as `tree_hash` defines it.
        reason: why this source is pinned.
        path: the file that says all this.
    """

    distribution: str
    version: str
    sdist_file: str
    sdist_sha256: str
    sdist_size: int
    llama_cpp_commit: str
    tree_sha256: str
    reason: str
    path: Path

    @property
    def name(self) -> str:
        """As commands, folders and files call it: `llama-cpp-python-0.3.16`."""
        return f"{self.distribution}-{self.version}"

    @property
    def top_folder(self) -> str:
        """The one folder at the top of the archive."""
        return self.sdist_file[: -len(".tar.gz")]


def pin_names(checkout: Path) -> tuple[str, ...]:
    """The pins that vendor/ holds, sorted."""
    return tuple(sorted(p.stem for p in (checkout / "vendor").glob("*.toml")))


def load_pin(checkout: Path, name: str) -> Pin:
    """Read one pin.

    Raises:
        BadInput: there is none of that name, or it does not say what a pin must say.
    """
    path = checkout / "vendor" / f"{name}.toml"
    if name not in pin_names(checkout):
        known = ", ".join(pin_names(checkout)) or "none at all"
        raise BadInput(f"there is no pin called {name!r}", where=path, hint=f"known: {known}")
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"the pin is no TOML: {error}", where=path) from error
    pin = _pin_from(text, path)
    if pin.name != name:
        raise BadInput(f"the pin calls itself {pin.name}", where=path, hint="rename the file")
    return pin


def _pin_from(text: Mapping[str, object], path: Path) -> Pin:
    _expect_keys(text, ("distribution", "version", "reason", "sdist", "llama_cpp", "tree"), path)
    sdist = _table(text, "sdist", ("file", "sha256", "size"), path)
    llama_cpp = _table(text, "llama_cpp", ("commit",), path)
    tree = _table(text, "tree", ("sha256",), path)
    size = sdist["size"]
    if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
        raise BadInput(f"sdist.size is {size!r}, not a number of bytes", where=path)
    reason = text["reason"]
    if not isinstance(reason, str) or not reason.strip():
        raise BadInput("the pin does not say its reason", where=path)
    return Pin(
        distribution=_word(text, "distribution", _DISTRIBUTION, path),
        version=_word(text, "version", _VERSION, path),
        sdist_file=_word(sdist, "file", _FILE_NAME, path),
        sdist_sha256=_word(sdist, "sha256", _SHA256, path),
        sdist_size=size,
        llama_cpp_commit=_word(llama_cpp, "commit", _COMMIT, path),
        tree_sha256=_word(tree, "sha256", _SHA256, path),
        reason=reason.strip(),
        path=path,
    )


def _expect_keys(table: Mapping[str, object], keys: tuple[str, ...], path: Path) -> None:
    missing = sorted(set(keys) - set(table))
    unknown = sorted(set(table) - set(keys))
    if missing:
        raise BadInput(f"the pin lacks {', '.join(missing)}", where=path)
    if unknown:
        raise BadInput(f"the pin says {', '.join(unknown)}, which means nothing", where=path)


def _table(
    text: Mapping[str, object], name: str, keys: tuple[str, ...], path: Path
) -> Mapping[str, object]:
    table = text[name]
    if not isinstance(table, dict):
        raise BadInput(f"the pin's {name} is no table", where=path)
    _expect_keys(table, keys, path)
    return table


def _word(table: Mapping[str, object], key: str, pattern: re.Pattern[str], path: Path) -> str:
    value = table[key]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadInput(f"the pin's {key} is {value!r}, expected {pattern.pattern}", where=path)
    return value
