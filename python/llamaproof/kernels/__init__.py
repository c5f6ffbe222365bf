"""Attention kernels as a library holds them: what their names say, and which are empty."""
