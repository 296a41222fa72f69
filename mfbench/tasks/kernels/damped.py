"""A damped oscillation, the memory of a pair of complex poles.

The phase keeps every lag away from the zeros, so every memory length is possible.
"""

import numpy as np

from mfbench.tasks.kernels.family import Family

FAMILY = Family(
    formula="k(s) = rho^s cos(pi (2 s - 1) / 8)",
    knob="decay per step",
    low=0.0,
    high=1.0,
    harder_when_larger=True,
    function=lambda rho, lag: np.power(rho, lag) * np.cos(np.pi * (2 * lag - 1) / 8),
    grid=lambda length: 10.0 ** (-1.0 / np.geomspace(0.1, 1e3 * length, 200)),
)
