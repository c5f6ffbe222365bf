"""`python -m llamaproof.bench`: the benchmark alone, without what the other commands need."""

import sys

from llamaproof.cli import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]], commands=("llamaproof.bench.command",)))
