"""What a dying process said, in one line."""

from __future__ import annotations

import re

_CUDA_ERROR = re.compile(r"CUDA error: (.+)")
_IN_FUNCTION = re.compile(r"in function (\S+) at (\S+):(\d+)")
# ggml_abort's own form: FILE:LINE: TEXT, and GGML_ASSERT(...) failed in TEXT.
_ABORT = re.compile(r"^(\S+\.(?:cu|cuh|c|cpp|h)):(\d+): (.+)$")
# What the stand-in for the CUDA runtime prints before it ends a program (native/shadow).
_SHADOW = re.compile(r"^llamaproof shadow runtime: (.+)$", re.MULTILINE)
# What ggml-cuda says when it finds its devices, which is no reason for anything.
_GREETING = re.compile(r"ggml_cuda_init: |Device \d+: .*compute capability")
_LONGEST = 300


def shadow_runtime_gave_up(output: str) -> str:
    """Why the shadow runtime itself ended the process; empty when it did not.

    Such an end is a gap of ours, and says nothing about the target.
    """
    match = _SHADOW.search(output)
    return match.group(1) if match else ""


def last_words(output: str, how: str) -> str:
    """The line of a dead child's output that says why it died.

    A refusal of the CUDA runtime comes first, then a failed assertion of ggml, then the last line.
    Folders of the machine that built the library are left out.

    Args:
        output: what it printed.
        how: how it ended, as in `was killed by SIGABRT`; the answer when it printed nothing.
    """
    stripped = (line.strip() for line in output.splitlines())
    lines = [line for line in stripped if line and not _GREETING.match(line)]
    for find in (_cuda_message, _abort_message):
        message = find(lines)
        if message:
            return _shortened(message)
    return _shortened(f"{how}: {lines[-1]}" if lines else how)


def _cuda_message(lines: list[str]) -> str:
    error = next((m.group(1) for m in map(_CUDA_ERROR.search, lines) if m), "")
    place = next((m for m in map(_IN_FUNCTION.search, lines) if m), None)
    if not error or place is None:
        return ""
    return f"CUDA error: {error}, in {place.group(1)} ({_base(place.group(2))}:{place.group(3)})"


def _abort_message(lines: list[str]) -> str:
    match = next((m for m in map(_ABORT.match, lines) if m), None)
    if match is None:
        return ""
    place, text = f"{_base(match.group(1))}:{match.group(2)}", match.group(3)
    if text == "fatal error" and not _ABORT.match(lines[0]):
        # The reason was printed before, in lines of its own.
        return f"{lines[0]} ({place}: {text})"
    return f"{place}: {text}"


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 4] + " ..."
