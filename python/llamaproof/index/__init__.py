"""An index of wheels as static files: what pip and uv read, and what people read."""
