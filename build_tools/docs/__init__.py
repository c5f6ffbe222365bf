"""The parts of README.md and docs/ that a command makes."""
