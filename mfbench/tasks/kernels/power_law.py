"""A power law with a time scale: flat up to about `rho` steps, then a heavy tail.

The power is that of the earlier code of the authors of arXiv 2506.05678, (1 + 0.1 s)^-1.1, whose
time scale is 10 steps.
"""

import numpy as np

from mfbench.tasks.kernels.family import Family

POWER = 1.1

FAMILY = Family(
    formula="k(s) = (1 + s / rho)^(-1.1)",
    knob="time scale in steps",
    low=0.0,
    high=np.inf,
    harder_when_larger=True,
    function=lambda rho, lag: np.power(1.0 + lag / rho, -POWER),
)
