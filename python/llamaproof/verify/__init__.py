"""For whoever installs a wheel: its hash, signatures, provenance and evidence, checked."""
