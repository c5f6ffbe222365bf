"""Evidence about a llama-cpp-python wheel: does its binary do what it says?"""

__version__ = "0.1.0"
