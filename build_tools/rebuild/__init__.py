"""A wheel made again from what it says of itself, and what differs between the two."""
