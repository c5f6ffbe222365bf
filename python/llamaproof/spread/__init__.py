"""Batches of what is to be examined, and what carries them: this machine, or a dask cluster."""
