"""The attention benchmark and its gate: cost by context length, before a wheel is published."""
