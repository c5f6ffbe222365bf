"""Where flash attention runs: `llamaproof dispatch`."""
