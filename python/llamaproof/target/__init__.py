"""What the proofs look at: a wheel, an installed or unpacked llama_cpp, a folder of libraries."""

from llamaproof.target.opening import Target, open_target, open_unpacked

__all__ = ["Target", "open_target", "open_unpacked"]
