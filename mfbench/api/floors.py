"""The lowest error that a linear model of a given size can reach."""

from __future__ import annotations

from dataclasses import dataclass

from mfbench.api.defaults import LENGTH
from mfbench.api.kernels import Kernel
from mfbench.api.keywords import keywords_checked
from mfbench.api.tasks import Task
from mfbench.floors.netcdf import Floors


@dataclass(frozen=True)
class Floor:
    """The floors of a task for linear models of one size; errors are relative, 1 predicts zero.

    Attributes
    ----------
    lower : float
        Certified: no linear time-invariant model of this size has a smaller error.
    upper : float
        The error of the best model that a search found.
    state, receptive_field : int or None
        The size of the model; None if it is not limited.
    """

    lower: float
    upper: float
    state: int | None = None
    receptive_field: int | None = None


@keywords_checked
def floor(
    kernel: Kernel | Task,
    *,
    state: int | None = None,
    receptive_field: int | None = None,
    linear: bool = False,
    rho: float | None = None,
    memory_length: int | None = None,
    length: int = LENGTH,
    scored_from: int | None = None,
) -> Floor:
    """The floors of a task: the lowest error of a linear model with this state or receptive field.

    Lag 0 costs no state. The floor of a receptive field binds nonlinear models, too.

    Parameters
    ----------
    kernel : str, Family, array or Task
        The task, or the kernel of one.
    state : int, optional
        Number of reals that the model carries from one step to the next.
    receptive_field : int, optional
        Number of lags that reach the output, lag 0 included.
    linear : bool
        Of a marked task, the floors of linear time-invariant models of input and marks; by default,
        those of linear systems that are told the marks.
    rho, memory_length, length, scored_from
        Which task of the kernel, as in `Task`; not with a Task.

    Raises
    ------
    ValueError
        Neither size is given or one is negative, or there is no such task.

    Examples
    --------
    >>> import mfbench as mf
    >>> round(mf.floor("impulse", rho=7, state=4).lower, 3)
    0.429
    >>> mf.floor("impulse", rho=7, receptive_field=8)
    Floor(lower=0.0, upper=0.0, state=None, receptive_field=8)
    """
    if state is None and receptive_field is None:
        raise ValueError("give the size of the model: state=8 or receptive_field=31")
    for name, size in {"state": state, "receptive_field": receptive_field}.items():
        if size is not None and size < 0:
            raise ValueError(f"{name} = {size} must be 0 or more")
    if isinstance(kernel, Task):
        task = kernel
    else:
        task = Task(kernel, memory_length, rho=rho, length=length, scored_from=scored_from)
    marks, scored_from = task.settings.marks, task.settings.scored_from
    of_task = Floors(
        task.memory_function, task.weights, 0, {}, marks=marks, scored_from=scored_from
    )
    find = of_task.of_linear_model if linear else of_task.of_model
    lower, upper = find(state_size=state, receptive_field=receptive_field)
    return Floor(lower, upper, state, receptive_field)
