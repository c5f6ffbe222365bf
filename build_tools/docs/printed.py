"""What commands print of wheels that were built here: outputs that README.md and docs/ show.

A printed part begins with a line that names the command, the day, and each wheel by its hash: it is
a record of one run, and says which.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from llamaproof import cli
from llamaproof.errors import DEFECT, HOLDS, BadInput, LlamaproofError
from llamaproof.files import sha256_of

# What a printed part must look like, whoever printed it.
FORM = re.compile(
    r"`[^`\n]+`, \d{4}-\d\d-\d\d(; [A-Z]+: `[^`\n]+`, sha256 `[0-9a-f]{16}...`)+\n\n```\n.+\n```\n",
    re.DOTALL,
)
_SHOWN_HEX = 16


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A command whose output is shown.

    Attributes:
        words: of `llamaproof`; a word that is a key of `wheels` stands for that wheel.
        wheels: a pattern below the checkout for each name.
    """

    words: tuple[str, ...]
    wheels: Mapping[str, str]


OURS = {"WHEEL": "dist/*.whl"}
STOCK = {"STOCK": "build/stock/*+stock.*.whl"}

PRINTED: Mapping[str, Printed] = {
    "abi of stock": Printed(words=("abi", "STOCK"), wheels=STOCK),
    "dispatch against stock": Printed(
        words=(
            "dispatch",
            "WHEEL",
            "--diff",
            "STOCK",
            "--head-sizes",
            "576/512",
            "--require",
            "576/512@2-128:f16",
        ),
        wheels={**OURS, **STOCK},
    ),
    "dispatch of stock": Printed(
        words=("dispatch", "STOCK", "--head-sizes", "576/512"), wheels=STOCK
    ),
    "emulate quick": Printed(words=("emulate", "WHEEL", "--quick"), wheels=OURS),
}


def makers(checkout: Path) -> Mapping[str, Callable[[], str]]:
    """Every output that can be printed anew where the wheels are built, by name."""
    return {name: partial(print_anew, checkout, printed) for name, printed in PRINTED.items()}


def print_anew(checkout: Path, printed: Printed) -> str:
    """Run the command on the wheels, and keep what it prints on standard output.

    Raises:
        BadInput: a wheel is not built, or there are several.
        LlamaproofError: the command could not do its work, and said why on standard error.
    """
    wheels = {name: _only(checkout, pattern) for name, pattern in printed.wheels.items()}
    print(f"docs: llamaproof {' '.join(printed.words)}", flush=True)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = cli.main([str(wheels.get(word, word)) for word in printed.words])
    # A defect that was found is what some outputs are there to show.
    if code not in (HOLDS, DEFECT):
        raise LlamaproofError(
            f"the command ended with exit code {code}", where=shlex.join(printed.words)
        )
    shown = [_without_paths(line, wheels) for line in said.getvalue().splitlines()]
    return f"{_head(printed.words, wheels)}\n\n```\n{chr(10).join(shown)}\n```\n"


def _head(words: Sequence[str], wheels: Mapping[str, Path]) -> str:
    which = (
        f"{name}: `{wheel.name.split('-')[1]}`, sha256 `{sha256_of(wheel)[:_SHOWN_HEX]}...`"
        for name, wheel in wheels.items()
    )
    today = datetime.date.today().isoformat()
    return "; ".join((f"`llamaproof {' '.join(words)}`, {today}", *which))


def _without_paths(line: str, wheels: Mapping[str, Path]) -> str:
    for name, wheel in wheels.items():
        line = line.replace(str(wheel), name).replace(wheel.name, name)
    return line.rstrip()


def _only(checkout: Path, pattern: str) -> Path:
    found = tuple(checkout.glob(pattern))
    if len(found) != 1:
        raise BadInput(
            f"{len(found)} wheels where one is needed",
            where=checkout / pattern,
            hint="build the wheels as CI does, and no others: see .ci/run",
        )
    return found[0]
