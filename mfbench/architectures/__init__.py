"""Architectures: one file each, which reads like its paper.

`registry` knows them by name without importing torch; `build` makes a model from settings.
"""
