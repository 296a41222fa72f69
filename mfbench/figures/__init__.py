"""Figures of a benchmark cube: one module per figure, with ``draw(cube) -> chart``."""
