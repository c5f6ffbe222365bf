"""The binary formats of a package of llama.cpp libraries."""
