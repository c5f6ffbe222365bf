"""A batch, carried out on the machine of a worker.

It is the code that examines batches on one machine, on a target that arrived as bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llamaproof.errors import LlamaproofError
from llamaproof.exits import as_error
from llamaproof.spread.carrier import Answer
from llamaproof.spread.parcel import Label, unpacked
from llamaproof.spread.same_build import Build, build_here, differences


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is sent of a batch, beside the target's bytes.

    Attributes:
        build: what it must be carried out with.
        label: of the target's parcel.
        examine, part, items: see `carrier.Examine`.
    """

    build: Build
    label: Label
    examine: Callable[..., Answer]
    part: Any
    items: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The batch was not carried out: this machine's build is another; `differs` says in what."""

    differs: str


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The batch could not be examined."""

    error: LlamaproofError


def carried_out(
    order: Order, data: bytes, *, keep: Path, is_wanted: Callable[[], bool]
) -> Answer | Refused | Failed | None:
    """The answer to a batch; None where nobody wants it any more.

    Args:
        data: the target's bytes.
        keep: folder for targets, which this machine keeps for the batches to come.
        is_wanted: asked now and then; what runs for the batch is ended when it is not.
    """
    differs = differences(order.build, build_here())
    if differs:
        return Refused(differs=differs)

    def on_done(_done: int) -> None:
        if not is_wanted():
            raise _NotWanted

    try:
        target = unpacked(order.label, data, keep)
        return order.examine(target, order.part, order.items, on_done)
    except _NotWanted:
        return None
    except LlamaproofError as error:
        return Failed(error=error)
    except OSError as error:
        return Failed(error=as_error(error))


class _NotWanted(Exception):
    """The batch was given up while it was examined."""
