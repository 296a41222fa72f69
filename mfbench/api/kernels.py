"""Memory functions by their kernel: a name, a reference to a file, a family, or values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfbench.api.defaults import LENGTH
from mfbench.api.keywords import keywords_checked
from mfbench.files.paths import rho_text
from mfbench.tasks.kernels import memory
from mfbench.tasks.kernels.family import Family
from mfbench.tasks.kernels.lookup import family as find_family
from mfbench.tasks.kernels.own import family_of_values

Kernel = str | Family | ArrayLike


@keywords_checked
def memory_function(
    kernel: Kernel,
    *,
    rho: float | None = None,
    memory_length: int | None = None,
    length: int = LENGTH,
    scored_from: int | None = None,
) -> NDArray[np.float64]:
    """The memory function k(s) of a task, scaled so that the target has variance 1.

    Parameters
    ----------
    kernel : str, Family or array
        A registered family (`mfbench.tasks.kernels.families`), a reference such as
        ``mine.py:FAMILY`` or ``mine.npy``, a family itself, or its values over lag.
    rho : float, optional
        The knob of the family; an array (lag) needs none.
    memory_length : int, optional
        Instead of `rho`: the effective memory length M99 in steps.
    length : int
        Sequence length T in steps.
    scored_from : int, optional
        First scored step; default: half of the length.

    Returns
    -------
    (length,) float64 array

    Raises
    ------
    ValueError
        The kernel is unknown, it has no such `rho` or memory length, or neither is given.

    Examples
    --------
    >>> import mfbench as mf
    >>> mf.memory_function("exponential", rho=0.5, length=4).round(3)
    array([0.87 , 0.435, 0.218, 0.109])
    >>> mf.memory_function([0, 0, 1], length=4).round(3)
    array([0., 0., 1., 0.])
    """
    weights = memory.window_weights(length, length // 2 if scored_from is None else scored_from)
    family, knob = resolved(kernel, rho, memory_length, length, weights)
    return memory.memory_function(family, knob, length, weights)


@keywords_checked
def memory_length(
    kernel: Kernel,
    *,
    rho: float | None = None,
    length: int = LENGTH,
    scored_from: int | None = None,
) -> int:
    """The effective memory length M99: the most recent steps that hold 99 % of the energy.

    Parameters
    ----------
    kernel, rho, length, scored_from
        As in `memory_function`.

    Raises
    ------
    ValueError
        As in `memory_function`.

    Examples
    --------
    >>> import mfbench as mf
    >>> mf.memory_length("exponential", rho=0.5)
    4
    >>> mf.memory_length("impulse", rho=7)
    8
    """
    weights = memory.window_weights(length, length // 2 if scored_from is None else scored_from)
    family, knob = resolved(kernel, rho, None, length, weights)
    return memory.memory_length(memory.memory_function(family, knob, length, weights), weights)


def resolved(
    kernel: Kernel,
    rho: float | None,
    memory_length: int | None,
    length: int,
    weights: NDArray[np.float64],
) -> tuple[str | Family, float]:
    """The family that a kernel stands for, and its knob, as studies round it.

    Raises
    ------
    ValueError
        Neither or both of rho and memory_length are given, or the kernel has no such task.
    """
    if hasattr(kernel, "memory_function"):
        raise ValueError(
            "got a Task: use its attributes task.memory_function and task.memory_length instead"
        )
    if isinstance(kernel, str | Family):
        family: Any = kernel
        name = f"{family}"
    else:
        name = "the values of a kernel"
        try:
            family = family_of_values(np.asarray(kernel), "the values")
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if rho is None and memory_length is None:
        rho = find_family(family).only
    if (rho is None) == (memory_length is None):
        raise ValueError(f"{name}: give either rho or memory_length")
    if memory_length is not None:
        rho = memory.rho_for_memory_length(family, memory_length, length, weights)
    assert rho is not None
    return family, float(rho_text(rho))
