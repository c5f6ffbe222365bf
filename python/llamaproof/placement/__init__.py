"""Where each cell of attention runs: examined on a shadow GPU or on a real one."""
