"""Architectures: one file each, which reads like its paper.

`registry` knows them by name without importing torch; `build` makes a model from settings, and
`ensemble` one of many. What needs a fast form stands in `scans/`, `convolution` and `attention`.
"""
