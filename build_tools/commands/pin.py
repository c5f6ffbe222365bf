"""`python -m build_tools pin`: the pinned sources."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from build_tools.pin.definition import Pin, load_pin, pin_names
from build_tools.pin.sdist import SDIST_CACHE, check_sdist, fetch_sdist
from build_tools.pin.tree_hash import hash_folder
from build_tools.pin.unpack import unpack_sdist, vendored_commit
from build_tools.progress import show
from llamaproof.errors import HOLDS, BadInput
from llamaproof.files import sha256_of
from llamaproof.reports.outcome import Outcome, worst


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("pin", help="list, check and describe the pinned sources")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    actions.add_parser("list", help="the pins of vendor/").set_defaults(execute=_list)
    check = actions.add_parser("check", help="fetch a pin's archive, check it and its tree")
    check.add_argument("pins", nargs="*", metavar="PIN", help="default: all of them")
    check.set_defaults(execute=_check)
    describe = actions.add_parser("describe", help="print the pin that an archive calls for")
    describe.add_argument("archive", type=Path, help="an sdist that you trust")
    describe.set_defaults(execute=_describe)


def _list(args: argparse.Namespace) -> int:
    checkout: Path = args.checkout
    for name in pin_names(checkout):
        pin = load_pin(checkout, name)
        print(f"{name}: llama.cpp {pin.llama_cpp_commit}")
        print(f"    {' '.join(pin.reason.split())}")
    return HOLDS


def _check(args: argparse.Namespace) -> int:
    checkout: Path = args.checkout
    outcomes = []
    for name in args.pins or pin_names(checkout):
        pin = load_pin(checkout, name)
        archive = fetch_sdist(pin, checkout / SDIST_CACHE, show)
        found = _tree_hash(pin, archive)
        holds = found == pin.tree_sha256
        print(f"{name}: archive {pin.sdist_sha256} holds")
        print(f"{name}: tree {pin.tree_sha256} {'holds' if holds else f'expected, found {found}'}")
        outcomes.append(Outcome.HOLDS if holds else Outcome.DEFECT)
    return worst(outcomes).exit_code


def _describe(args: argparse.Namespace) -> int:
    archive: Path = args.archive
    distribution, _, version = archive.name.removesuffix(".tar.gz").rpartition("-")
    if not archive.name.endswith(".tar.gz") or not distribution:
        raise BadInput("an sdist is called NAME-VERSION.tar.gz", where=archive)
    commit = vendored_commit(archive)
    pin = Pin(
        distribution=distribution.replace("_", "-"),
        version=version,
        sdist_file=archive.name,
        sdist_sha256=sha256_of(archive),
        sdist_size=archive.stat().st_size,
        llama_cpp_commit=commit or "",
        tree_sha256="",
        reason="",
        path=archive,
    )
    tree_sha256 = _tree_hash(pin, archive)
    print(f"distribution = {json.dumps(pin.distribution)}")
    print(f"version = {json.dumps(pin.version)}")
    print('reason = ""  # say why\n\n[sdist]')
    print(f"file = {json.dumps(pin.sdist_file)}")
    print(f"sha256 = {json.dumps(pin.sdist_sha256)}\nsize = {pin.sdist_size}\n\n[llama_cpp]")
    note = "" if commit else "  # the archive does not say: find out"
    print(f"commit = {json.dumps(pin.llama_cpp_commit)}{note}\n")
    print(f"[tree]\nsha256 = {json.dumps(tree_sha256)}")
    return HOLDS


def _tree_hash(pin: Pin, archive: Path) -> str:
    check_sdist(pin, archive, hint="delete the file: the next run fetches it again")
    with tempfile.TemporaryDirectory(prefix="llamaproof-") as scratch:
        unpack_sdist(pin, archive, Path(scratch), lambda _line: None)
        return hash_folder(Path(scratch))
