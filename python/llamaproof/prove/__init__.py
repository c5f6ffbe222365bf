"""Every proof of a wheel in turn, and the evidence that is kept beside it."""
