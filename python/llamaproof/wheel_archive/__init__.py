"""A wheel as an archive: its members, what it says of itself, and whether all of that agrees."""
