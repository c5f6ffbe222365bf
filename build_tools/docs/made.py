"""What is made of the checkout alone, without a wheel: tables of its data, and help texts."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import resources
from pathlib import Path

from build_tools.pin.definition import load_pin, pin_names
from build_tools.series.dep3 import fields_of
from build_tools.series.folder import load_series, series_folder
from llamaproof import cli
from llamaproof.attention.familiar_models import FAMILIAR_MODELS
from llamaproof.shadow import all_gpus
from llamaproof.toml import read_toml

_HELP_WIDTH = "100"
_COMMAND = re.compile(r"^    (\S+) +(\S.*)$", re.MULTILINE)
_RECIPE = re.compile(r"^# (?P<words>.+)\n(?P<name>[a-z][\w-]*)", re.MULTILINE)


def makers(checkout: Path) -> Mapping[str, Callable[[], str]]:
    """Everything that can be made, by name."""
    helps = {f"help {name}": partial(_help, name) for name, _ in commands()}
    return {
        "cards": cards,
        "commands": lambda: _table(("command", "what it does"), _command_rows()),
        "layers": lambda: layers(checkout),
        "models": models,
        "patches": lambda: patches(checkout),
        "pins": lambda: pins(checkout),
        "recipes": lambda: _table(("recipe", "what it does"), recipes(checkout)),
        "rooms": lambda: _table(("room", "what it holds"), rooms()),
        **helps,
    }


def commands() -> tuple[tuple[str, str], ...]:
    """Each command of `llamaproof` and what it does, as `llamaproof --help` says it."""
    return tuple(_COMMAND.findall(help_text()))


def help_text(*words: str) -> str:
    """What `llamaproof WORDS --help` prints, at a fixed width."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = _HELP_WIDTH
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            cli.main([*words, "--help"])
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before
    return said.getvalue()


def cards() -> str:
    """The cards that can be played."""
    rows = (
        (
            gpu.name,
            f"sm_{gpu.sm}",
            str(gpu.multiprocessors),
            f"{gpu.shared_per_block_optin // 1024}",
        )
        for gpu in all_gpus()
    )
    return _table(("card", "sm", "multiprocessors", "KiB of shared memory a block may have"), rows)


def models() -> str:
    """The models that are asked about by name."""
    return _table(
        ("model", "head sizes @ GQA ratio"),
        ((model.name, model.shape) for model in FAMILIAR_MODELS),
    )


def patches(checkout: Path) -> str:
    """Each pin's series, in order: the first line of each patch's description."""
    return "\n".join(
        f"Over {load_pin(checkout, pin).version}, in order:\n\n{_series_lines(checkout, pin)}"
        for pin in pin_names(checkout)
        if load_series(series_folder(checkout, pin)).patches
    )


def _series_lines(checkout: Path, pin: str) -> str:
    headers = (
        fields_of(patch.header) for patch in load_series(series_folder(checkout, pin)).patches
    )
    firsts = (header["Description"].splitlines()[0] for header in headers)
    return "".join(f"{number}. {line}\n" for number, line in enumerate(firsts, start=1))


def pins(checkout: Path) -> str:
    """The pinned releases."""
    found = (load_pin(checkout, name) for name in pin_names(checkout))
    return _table(
        ("pin", "llama-cpp-python", "llama.cpp"),
        ((pin.name, pin.version, f"`{pin.llama_cpp_commit[:12]}`") for pin in found),
    )


def recipes(checkout: Path) -> Iterator[tuple[str, str]]:
    """Each recipe of the Justfile and the comment above it."""
    text = (checkout / "Justfile").read_text(encoding="utf-8")
    for match in _RECIPE.finditer(text):
        yield f"`./just {match['name']}`", match["words"]


def rooms() -> Iterator[tuple[str, str]]:
    """Each package of llamaproof, and the first sentence of what it says of itself."""
    for room in sorted(resources.files("llamaproof").iterdir(), key=lambda room: room.name):
        if room.is_dir() and (room / "__init__.py").is_file():
            words = importlib.import_module(f"llamaproof.{room.name}").__doc__ or ""
            yield f"`{room.name}`", " ".join(words.split("\n\n")[0].split())


def layers(checkout: Path) -> str:
    """The layers of llamaproof that the test command holds it to, upper first."""
    tool = read_toml(checkout / "pyproject.toml", "the project's settings")["tool"]
    found = [x for x in tool["importlinter"]["contracts"] if x.get("containers") == ["llamaproof"]]
    (contract,) = found
    return _fenced("\n".join(line.replace(" | ", "  ") for line in contract["layers"]))


def _command_rows() -> Iterator[tuple[str, str]]:
    for name, words in commands():
        yield f"`llamaproof {name}`", words


def _help(command: str) -> str:
    return _fenced(help_text(command))


def _fenced(text: str) -> str:
    return f"```\n{text.rstrip()}\n```\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(_cell(text) for text in line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
