"""Memory functions on a finite window, and M99, the axis that all families share.

The window weights come from the population error of a linear time-invariant model under white
input, sum_s w_s (k_s - h_s)^2. The families represent the classes of temporal structure of
arXiv 2506.05678; their parametrisations are mfbench's own (docs/tasks.md).
"""

from __future__ import annotations

import bisect
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mfbench.tasks.kernels.family import Family
from mfbench.tasks.kernels.lookup import families
from mfbench.tasks.kernels.lookup import family as find_family

ENERGY = 0.99  # the share of weighted energy that defines the effective memory length M99
DIGITS = 6  # significant digits of a solved rho: short enough for a file name


def window_weights(length: int, scored_from: int) -> NDArray[np.float64]:
    """Share of the scored steps that see a lag, for each lag.

    ``w_s = min(T - t0, T - s) / (T - t0)`` for a sequence of T steps scored from step t0 on.

    Parameters
    ----------
    length : int
        Sequence length T in steps.
    scored_from : int
        First scored step t0, 0 <= t0 < T.

    Returns
    -------
    (length,) array
        Weights in (0, 1], one per lag.

    Raises
    ------
    ValueError
        `scored_from` lies outside the sequence.
    """
    if not 0 <= scored_from < length:
        raise ValueError(
            f"scored_from = {scored_from} must lie in 0..{length - 1} for sequences of {length}"
        )
    scored = length - scored_from
    weights: NDArray[np.float64] = np.minimum(scored, length - np.arange(length)) / scored
    return weights


def memory_function(
    family: str | Family, rho: float, length: int, weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The memory function k(s) of one task.

    Parameters
    ----------
    family : str or Family
        Name of a registered family, a reference to a user's file, or a family itself.
    rho : float
        The family's knob.
    length : int
        Number of lags, 0..length-1.
    weights : (length,) array, optional
        Window weights; if given, k is scaled to ``sum(weights * k**2) == 1``.

    Returns
    -------
    (length,) float64 array

    Raises
    ------
    ValueError
        The family is unknown, rho lies outside its domain, the function has no energy within the
        window, or its values are not finite real numbers.
    """
    member = find_family(family)
    member.check(rho)
    k = _values(family, member, float(rho), length)
    largest = np.max(np.abs(k))
    if largest < np.finfo(np.float64).tiny:
        raise ValueError(
            f"{family} with rho = {rho:g} has no energy at lags 0..{length - 1}: "
            "its memory lies outside the sequence"
        )
    if weights is None:
        return k
    k = k / largest  # so that no square underflows or overflows
    return np.asarray(k / np.sqrt(np.sum(weights * k**2)))


def _values(family: str | Family, member: Family, rho: float, length: int) -> NDArray[np.float64]:
    """The values of a family's function, checked to be one finite real number per lag."""
    where = f"{family}, rho = {rho:g}: its function"
    try:
        with np.errstate(all="ignore"):
            k = np.asarray(member.function(rho, np.arange(length, dtype=np.float64)))
    except Exception as error:
        said = str(error).partition("\n")[0]
        raise ValueError(f"{where} raises {type(error).__name__}: {said}") from error
    if k.shape != (length,):
        raise ValueError(f"{where} returns the shape {k.shape} for {length} lags")
    if k.dtype.kind not in "fiu":
        raise ValueError(f"{where} must return real numbers, but returns {k.dtype}")
    if not np.all(np.isfinite(k)):
        raise ValueError(f"{where} is not finite at lag {np.argmin(np.isfinite(k))}")
    return k.astype(np.float64)


def continued(
    family: str | Family, rho: float, k: NDArray[np.float64], length: int
) -> NDArray[np.float64]:
    """The memory function k of a task at more lags, scaled as k.

    Raises
    ------
    ValueError
        The family's values depend on the number of lags.
    """
    longer = memory_function(family, rho, length)
    head = longer[: len(k)]
    peak = np.argmax(np.abs(k))
    if head[peak]:
        longer = longer / head[peak] * k[peak]
    if not np.allclose(longer[: len(k)], k, rtol=0.0, atol=1e-6 * abs(k[peak])):
        raise ValueError(
            f"{family}, rho = {rho:g}: the values of its function must not depend on the number of "
            f"lags, but for {length} lags they differ from those for {len(k)}"
        )
    return np.asarray(longer)


def memory_length(k: NDArray[np.float64], weights: NDArray[np.float64]) -> int:
    """Effective memory length M99 in steps.

    The smallest m such that lags 0..m-1 hold at least 99 % of the weighted energy
    ``sum(weights * k**2)``. It is also the smallest receptive field with a floor of 1 % or less.

    Raises
    ------
    ValueError
        The memory function has no energy.
    """
    return int(np.argmax(_tail_energy(k, weights)[1:] <= 1 - ENERGY)) + 1


def _tail_energy(k: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of weighted energy at lags >= m, for m = 0..length, summed from the far end."""
    energy = weights * k**2
    tail = np.append(np.cumsum(energy[::-1])[::-1], 0.0)
    if not tail[0] > 0:
        raise ValueError("a memory function without energy has no memory length")
    return np.asarray(tail / tail[0])


def rho_for_memory_length(
    family: str | Family, m99: int, length: int, weights: NDArray[np.float64]
) -> float:
    """The hardest `rho` whose effective memory length is exactly `m99`.

    It is solved on the finite window and rounded towards the easy side to six significant digits:
    short enough for a file name, and still with a memory length of exactly `m99`. On an infinite
    window the closed forms are: exponential 10^(-1/M), impulse M - 1, polynomial
    zeta(2 rho, M + 1) / zeta(2 rho) = 0.01.

    Raises
    ------
    ValueError
        The family is unknown, none of its `rho` has this memory length on this window, or the
        memory length of a user's family does not grow along its grid.
    """
    from scipy.optimize import brentq  # slower to import than everything else here

    member = find_family(family)

    def excess(rho: float) -> float:
        """Energy beyond m99 minus the allowed 1 %: negative if the task is easy enough."""
        k = memory_function(family, rho, length, weights)
        return float(_tail_energy(k, weights)[m99] - (1 - ENERGY))

    def fits(rho: float) -> bool:
        return memory_length(memory_function(family, rho, length, weights), weights) == m99

    if not 1 <= m99 <= length:
        raise ValueError(f"memory_length = {m99} must lie in 1..{length}")
    grid = member.points(length)
    if family not in families():
        grid = _ordered_points(family, grid, m99, length, weights)
    # M99 grows along the grid, from easy to hard: count the grid points that are easy enough.
    easy = bisect.bisect_right(range(len(grid)), 0.0, key=lambda i: excess(float(grid[i])))
    candidates: list[float] = []
    if member.integer and easy:
        candidates = [float(grid[easy - 1])]
    elif 0 < easy < len(grid):
        root = brentq(excess, grid[easy - 1], grid[easy], xtol=1e-14, rtol=1e-13)
        candidates = _rounded_towards_easy(root, smaller=member.harder_when_larger)
    for rho in candidates:
        if fits(rho):
            return rho
    ends = [
        memory_length(memory_function(family, r, length, weights), weights) for r in grid[[0, -1]]
    ]
    there = "its memory length is {0}" if len(grid) == 1 else "its memory lengths lie in {0}..{1}"
    raise ValueError(
        f"{family} cannot have memory_length = {m99} on sequences of {length} steps: "
        f"{there.format(*ends)}"
    )


def _ordered_points(
    family: str | Family,
    grid: NDArray[np.float64],
    m99: int,
    length: int,
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The points of a grid that have a memory function, if M99 crosses `m99` only upwards."""
    found: dict[float, int] = {}
    refused = ValueError(f"{family}: its grid is empty")
    for rho in map(float, grid):
        try:
            found[rho] = memory_length(memory_function(family, rho, length, weights), weights)
        except ValueError as error:  # for example, the memory lies outside the window
            refused = error
    if not found:
        raise refused
    for (rho, before), (harder, after) in pairwise(found.items()):
        if before > m99 >= after:
            raise ValueError(
                f"{family}: its memory length does not grow along its grid, but falls from {before}"
                f" at rho = {rho:g} to {after} at rho = {harder:g}: give rho: [...] instead"
            )
    return np.array(list(found))


def _rounded_towards_easy(value: float, *, smaller: bool) -> list[float]:
    """The two neighbours of `value` on its easy side at DIGITS significant digits."""
    if value == 0:
        return [0.0]
    unit = 10.0 ** (np.floor(np.log10(abs(value))) - DIGITS + 1)
    steps = np.floor(value / unit) if smaller else np.ceil(value / unit)
    away = -1 if smaller else 1
    return [float(f"{unit * (steps + i * away):.{DIGITS}g}") for i in range(2)]
