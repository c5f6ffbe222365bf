"""`python -m build_tools fetch-index`: bring the published index, for a release to continue."""

from __future__ import annotations

import argparse
from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.index.fetch import fetch_index
from llamaproof.release.policy import read_policy
from llamaproof.reports.progress import progress


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "fetch-index", help="bring the index as it is published, for a release to continue"
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help="default: release.toml")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: dist/index")
    parser.add_argument("--url", help="default: the one that the policy names")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Bring it from the address that the policy names."""
    url = args.url or _published_at(args.policy or args.checkout / "release.toml")
    out: Path = args.out or args.checkout / "dist" / "index"
    with progress("index") as tell:
        found = fetch_index(url if url.endswith("/") else f"{url}/", out, tell)
    print(f"index: {len(found.wheels)} wheels in {out}")
    return 0


def _published_at(policy: Path) -> str:
    url = read_policy(policy).url
    if not url:
        raise BadInput(
            "the policy does not say where the index is published", where=policy, hint="give --url"
        )
    return url
