"""A single delayed impulse: pure long-range copying."""

import numpy as np

from mfbench.tasks.kernels.family import Family

FAMILY = Family(
    formula="k(s) = 1 where s = rho, else 0",
    knob="lag of the impulse in steps",
    low=0.0,
    high=np.inf,
    integer=True,
    harder_when_larger=True,
    function=lambda rho, lag: np.where(lag == rho, 1.0, 0.0),
    grid=lambda length: np.arange(length, dtype=np.float64),
)
