"""Figures of a benchmark cube: one module each, with ``draw(cube) -> chart``."""
