"""Damaged PTX of a real wheel is refused in words, or is still PTX; it never ends the process."""

from __future__ import annotations

import itertools
import random
import re
import zipfile
from pathlib import Path

import pytest

from llamaproof.binary import fatbin
from llamaproof.executor.machine import EmulationError, Emulator

# Attention's own modules, and others: small enough to be read a few hundred times.
LARGEST_TEXT = 400_000
MODULES = 12
DAMAGES = 40

NUMBERS = ("-1", "0", "4294967295", "18446744073709551616", "0x7fffffffffffffff", "1e400")
WORDS = (";", "{", "}", "[", "]", ",", ".", "@", "%", "|", '"', "/*", "\0", "\xff", ".param", "<")
NUMBER = re.compile(rb"(?<![\w$%])\d+")
OPCODE = re.compile(rb"(?m)^[ \t]*(?:@!?%p\d+ )?([a-z][\w.:]+)[ \t]")


@pytest.fixture(scope="module")
def texts(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("wheel")
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/libggml-cuda.so"))
        library = Path(archive.extract(name, folder))
    entries = [
        entry
        for one in fatbin.read_fatbins(library)
        for entry in one.entries
        if entry.kind == "ptx" and entry.size <= LARGEST_TEXT
    ]
    chosen = random.Random(1).sample(entries, MODULES)
    return [fatbin.read_code(library, entry).rstrip(b"\0") for entry in chosen]


# One alternative after the other: there is nothing to take apart.
def damaged(rng: random.Random, text: bytes) -> bytes:  # noqa: C901
    """The text with one to four things wrong in it."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text))
        kind = rng.randrange(8)
        if kind == 0:  # a bit of it
            text = text[:at] + bytes([text[at] ^ 1 << rng.randrange(8)]) + text[at + 1 :]
        elif kind == 1:  # cut short
            text = text[: max(at, 200)]
        elif kind == 2:  # a piece is gone
            text = text[:at] + text[at + rng.randrange(1, 60) :]
        elif kind == 3:  # a piece stands twice, elsewhere
            other = rng.randrange(len(text))
            text = text[:at] + text[other : other + rng.randrange(200)] + text[at:]
        elif kind == 4:
            text = text[:at] + rng.choice(WORDS).encode("latin-1") + text[at:]
        elif kind == 5:
            text = exchanged(rng, text, NUMBER, rng.choice(NUMBERS).encode())
        elif kind == 6:  # an instruction with the operands of another
            opcodes = [m.group(1) for m in itertools.islice(OPCODE.finditer(text, at), 50)]
            text = exchanged(rng, text, OPCODE, rng.choice(opcodes)) if opcodes else text
        else:  # two lines trade places
            lines = text.split(b"\n")
            one, two = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[one], lines[two] = lines[two], lines[one]
            text = b"\n".join(lines)
    return text


def exchanged(rng: random.Random, text: bytes, what: re.Pattern[bytes], by: bytes) -> bytes:
    """One occurrence of `what`, or of its group, is another."""
    found = what.search(text, rng.randrange(len(text)))
    if found is None:
        return text
    begin, end = found.span(found.re.groups)
    return text[:begin] + by + text[end:]


def test_damaged_ptx_of_a_wheel_is_refused_in_words_or_still_ptx(texts: list[bytes]) -> None:
    rng = random.Random(20261124)
    refused = whole = 0
    for text in texts:
        for _ in range(DAMAGES):
            bad = damaged(rng, text)
            with Emulator() as emulator:
                try:
                    module = emulator.load(bad)
                    for name in emulator.kernels(module):
                        emulator.kernel(module, name)
                    whole += 1
                except EmulationError as error:
                    assert re.search(r"line \d+|\.version|no kernel", error.what), error.what
                    refused += 1
    # Both happen, or the damage is not what it should be.
    assert refused > len(texts) * DAMAGES / 4, (refused, whole)
    assert whole > len(texts), (refused, whole)
