"""Training: members of a cell (learning rate x seed), those of one job together."""
