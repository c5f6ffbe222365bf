"""Scripts for the environment with the wheel, and how one is run there."""

from collections.abc import Callable
from pathlib import Path

from llamaproof.process import Completed

RunPython = Callable[..., Completed]

DECODE = Path(__file__).with_name("decode.py")
LATENT_CACHE = Path(__file__).with_name("latent_cache.py")
WITH_LIBRARIES = Path(__file__).with_name("with_libraries.py")
