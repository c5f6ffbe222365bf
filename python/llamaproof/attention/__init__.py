"""Attention as llama.cpp asks for it: cells, their graph nodes and inputs, and the exact result."""
