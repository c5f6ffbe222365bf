"""`--dask ADDRESS`, on every command whose cells can be examined on other machines."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator

from llamaproof.errors import LlamaproofError
from llamaproof.spread.carrier import HERE, Carrier


def add_dask(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="have the cells examined by the workers of this dask scheduler, such as "
        "tcp://HOST:8786; they execute what the target holds (needs llamaproof[dask])",
    )


@contextlib.contextmanager
def carrier_at(address: str | None) -> Iterator[Carrier]:
    """What has cells examined: the workers of the scheduler at an address; without one, this
    machine.

    Raises:
        LlamaproofError: distributed is not installed, or the scheduler cannot be reached.
    """
    if address is None:
        yield HERE
        return
    try:
        from llamaproof.spread.over_dask import connected
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("llamaproof"):
            raise
        raise LlamaproofError(
            f"--dask needs the Python package {error.name}",
            hint="install it beside llamaproof: pip install 'llamaproof[dask]'",
        ) from error
    with connected(address) as cluster:
        yield cluster
