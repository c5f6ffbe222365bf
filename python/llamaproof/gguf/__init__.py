"""GGUF files: the header, and the attention that it describes."""
