"""CUDA toolkits: put together from packages, by hash, or the user's own; and what they can do."""
