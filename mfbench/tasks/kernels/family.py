"""How a family of memory functions describes itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Family:
    """A class of temporal structure with one knob, `rho`.

    Attributes
    ----------
    formula : str
        The memory function before normalisation, as text.
    knob : str
        What `rho` means, with its unit.
    low, high : float
        `rho` lies strictly between `low` and `high`; with `integer` the ends are allowed.
    integer : bool
        Whether `rho` is a whole number.
    harder_when_larger : bool
        Whether memory gets longer as `rho` grows.
    function : callable
        ``function(rho, lag) -> k``, with `lag` and `k` float64 arrays of one shape.
    grid : callable
        ``grid(length) -> rho``, from easy to hard, fine enough to bracket every memory length
        that a window of `length` steps can hold.
    """

    formula: str
    knob: str
    low: float
    high: float
    integer: bool = False
    harder_when_larger: bool
    function: Callable[[float, NDArray[np.float64]], NDArray[np.float64]]
    grid: Callable[[int], NDArray[np.float64]]

    def domain(self) -> str:
        """The allowed values of `rho`, for error messages."""
        if self.integer:
            return f"a whole number, {self.low:g} or more"
        if np.isinf(self.high):
            return f"a number greater than {self.low:g}"
        return f"a number strictly between {self.low:g} and {self.high:g}"

    def check(self, rho: float) -> None:
        """Raise ValueError if `rho` lies outside the domain."""
        if not np.isfinite(rho):
            inside = False
        elif self.integer:
            inside = float(rho).is_integer() and self.low <= rho <= self.high
        else:
            inside = self.low < rho < self.high
        if not inside:
            raise ValueError(f"rho = {rho:g} is not allowed ({self.knob}): give {self.domain()}")
