"""A whole model, run through a target's own bindings."""
