"""`python -m build_tools docs`: the parts of README.md and docs/ that commands make."""

from __future__ import annotations

import argparse

from build_tools.docs.pages import pages_of, renew, stale_parts
from llamaproof.errors import DEFECT, HOLDS


def configure_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "docs",
        help="write the parts of README.md and docs/ that commands make",
        description="Write anew what is made of the checkout alone.",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="write nothing; 1 if a part is stale")
    mode.add_argument(
        "--wheels", action="store_true", help="print anew what shows the wheels of this checkout"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Write, or check."""
    # What is shown is made by llamaproof, which takes longer to import than most commands run.
    from build_tools.docs import made, printed

    made_anew = made.makers(args.checkout)
    if args.check:
        stale = stale_parts(args.checkout, made_anew)
        for words in stale:
            print(f"docs: {words}; run `./just docs`")
        return DEFECT if stale else HOLDS
    for page in pages_of(args.checkout):
        changed = renew(page, "made", made_anew)
        if args.wheels:
            changed = renew(page, "printed", printed.makers(args.checkout)) or changed
        if changed:
            print(f"docs: {page.relative_to(args.checkout)} written")
    return HOLDS
