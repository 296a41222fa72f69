"""Architectures, one file each, written to read like their papers.

`registry` finds them by name without importing torch, `build` makes a model from settings, and
`ensemble` runs many models as one. Fast forms are in `scans/`, `convolution` and `attention`.
"""
