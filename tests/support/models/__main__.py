"""`python -m tests.support.models FOLDER [NAME...]`: write the small models, all or those named."""

from __future__ import annotations

import argparse
from pathlib import Path

from gguf import GGMLQuantizationType

from tests.support.models.catalogue import SMALL_MODELS
from tests.support.models.writer import write_model


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.models", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(SMALL_MODELS)}; all by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--type", default="F16", help="of the matrices: F16, Q8_0, Q4_0, ...")
    args = parser.parse_args()
    unknown = set(args.names) - set(SMALL_MODELS)
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.names or SMALL_MODELS:
        path = args.folder / f"{name}.gguf"
        write_model(
            SMALL_MODELS[name], path, seed=args.seed, weight_type=GGMLQuantizationType[args.type]
        )
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
