"""`python -m build_tools matrix`: the variants of the release policy, as a hosted CI's jobs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from llamaproof.binary.code_on_card import Arch
from llamaproof.release.policy import AskedVariant, Policy, read_policy

_NO_GPU_CODE = "cpu"


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "matrix", help="print the variants of the release policy as the jobs of a hosted CI"
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help="default: release.toml")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print one line of JSON on standard output."""
    policy = read_policy(args.policy or args.checkout / "release.toml")
    print(json.dumps(matrix_of(policy)))
    return 0


def matrix_of(policy: Policy) -> dict[str, list[dict[str, Any]]]:
    """A job for each variant: what it is built with, and what it is proved by."""
    return {"include": [_job(variant) for variant in policy.variants]}


def _job(variant: AskedVariant) -> dict[str, Any]:
    demands = variant.demands.value
    major = variant.cuda_major.value
    return {
        "variant": variant.name,
        "cuda": "" if major is None else str(major),
        "cuda_arch": ";".join(cmake_items(variant.archs.value)) or _NO_GPU_CODE,
        "demands": demands.profile,
        "against_stock": demands.against is not None,
    }


def cmake_items(archs: Iterable[str]) -> Iterator[str]:
    """What CMake calls architectures that nvcc writes so: sm_89 and compute_89 are `89`."""
    kinds: dict[tuple[int, str], set[str]] = {}
    for arch in map(Arch.parse, archs):
        kinds.setdefault((arch.sm, arch.suffix), set()).add(arch.kind)
    for (sm, suffix), found in sorted(kinds.items()):
        form = "" if len(found) > 1 else {"cubin": "-real", "ptx": "-virtual"}[found.pop()]
        yield f"{sm}{suffix}{form}"
