"""Executes PTX on the CPU, checks what it does and counts the work."""
