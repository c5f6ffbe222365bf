"""From wheels and their evidence to an index: what may be published, and publishing it."""
