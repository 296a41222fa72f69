"""Polynomial decay: a heavier tail than any finite sum of exponentials."""

import numpy as np

from mfbench.tasks.kernels.family import Family

FAMILY = Family(
    formula="k(s) = (s + 1)^(-rho)",
    knob="power of the decay",
    low=0.0,
    high=np.inf,
    harder_when_larger=False,
    function=lambda rho, lag: np.power(lag + 1.0, -rho),
    grid=lambda _: np.geomspace(20.0, 1e-4, 200),
)
