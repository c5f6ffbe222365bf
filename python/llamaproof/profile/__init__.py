"""The emulated GPU against a real one: results, and counts against the profiler's counters."""
