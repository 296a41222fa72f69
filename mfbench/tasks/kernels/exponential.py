"""Exponential decay, the memory of a single stable linear state."""

import numpy as np

from mfbench.tasks.kernels.family import Family

FAMILY = Family(
    formula="k(s) = rho^s",
    knob="decay per step",
    low=0.0,
    high=1.0,
    harder_when_larger=True,
    function=np.power,
    # rho = 10^(-1/M) is the closed form of the memory length M on an infinite window.
    grid=lambda length: 10.0 ** (-1.0 / np.geomspace(0.1, 1e3 * length, 200)),
)
