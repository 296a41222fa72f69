"""Training of members: the learning rates and seeds of the cells that one job trains."""
