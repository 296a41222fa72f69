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
        `rho` lies strictly between `low` and `high`; the ends are included if `integer` is set.
    integer : bool
        Whether `rho` is a whole number.
    harder_when_larger : bool
        Whether memory gets longer as `rho` grows.
    function : callable
        ``function(rho, lag) -> k``, with `lag` and `k` float64 arrays of one shape.
    grid : callable
        ``grid(length) -> rho``, from easy to hard, fine enough to bracket every memory length
        that a window of `length` steps can hold. By default it covers the whole domain.
    """

    formula: str
    knob: str
    low: float
    high: float
    integer: bool = False
    harder_when_larger: bool
    function: Callable[[float, NDArray[np.float64]], NDArray[np.float64]]
    grid: Callable[[int], NDArray[np.float64]] | None = None

    def __str__(self) -> str:
        return self.formula

    @property
    def only(self) -> float | None:
        """The single allowed value of `rho`; None if there are more."""
        return self.low if self.integer and self.low == self.high else None

    def points(self, length: int) -> NDArray[np.float64]:
        """The grid, from easy to hard."""
        if self.grid is not None:
            return np.asarray(self.grid(length), dtype=np.float64)
        if not np.isfinite(self.low):
            raise ValueError("a family whose rho has no lower end needs a grid")
        if self.integer:
            rho = np.arange(self.low, min(self.high, self.low + length) + 1)
        elif np.isinf(self.high):
            rho = self.low + np.geomspace(1e-3, 1e3 * length, 400)
        else:  # densest at both ends
            rho = self.low + (self.high - self.low) / (1 + 10.0 ** np.linspace(6, -6, 400))
        return rho if self.harder_when_larger else rho[::-1]

    def domain(self) -> str:
        """The allowed values of `rho`, for error messages."""
        if self.integer:
            upper = " or more" if np.isinf(self.high) else f" to {self.high:g}"
            return f"a whole number, {self.low:g}{upper}"
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
