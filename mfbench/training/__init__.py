"""Training: one cell (architecture, width, kernel, rho), its members one after the other."""
