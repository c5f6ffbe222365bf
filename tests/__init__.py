"""Tests of llamaproof and its build tools."""
