"""Will flash attention run here, and if not, why not and what helps."""
