"""Do the Python bindings match the C they call, and is the binary what the wheel says it is?

The headers say what C has: libclang gives names and structure, the compiler every number. The
bindings are imported in a worker process on a stand-in loader, so ctypes itself says what Python
has. `compare` holds the two together; `libraries`, `device` and their like look at the binary, and
hold it against what the wheel says of itself (`claims`).
"""
