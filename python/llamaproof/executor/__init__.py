"""The library that executes PTX, as Python sees it: launches, counts, findings."""
