"""Why a cell is not solved: the rules of docs/theory.md, section 7."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from mfbench.cube.failure_boundaries import GROUP, success_threshold
from mfbench.cube.select import in_words, selected, trained
from mfbench.evaluation.optimum import RESOLVED
from mfbench.evaluation.statistics import rate_edge, select_learning_rates

OUT_OF_REACH = "out of reach"
BUDGET = "budget"
LEARNING_RATE = "learning rate"
BOTH = "budget and learning rate"
INITIALISATION = "luck of the initialisation"
UNRESOLVED = "unresolved"
NOT_DIAGNOSED = "not diagnosed"
CAUSES = (
    OUT_OF_REACH,
    BUDGET,
    LEARNING_RATE,
    BOTH,
    INITIALISATION,
    UNRESOLVED,
    NOT_DIAGNOSED,
)
# What the rules read. A cube has 50 more variables, and every cell would take its part of each.
_READ = (
    *("status", "relative_mse", "best_validation_error", "validation_error"),
    *("time_variation", "time_variation_standard_error"),
    *("weights", "memory_function", "receptive_field", "linear", "state_size"),
    *("lower_floor", "upper_floor", "linear_floor", "rho", "selected_learning_rate"),
)
_FALLS = 0.9  # the error still falls if the last third of the steps takes it below this share
_PLATEAU = 0.05  # a smaller fall of the relative error is a plateau


def unsolved(cube: xr.Dataset) -> xr.DataArray:
    """Which cells (architecture, width, kernel, level) were trained and not solved.

    A cell is solved if the median error over its seeds, at their learning rates, is small enough.
    """
    best = selected(cube[["status", "relative_mse", "selected_learning_rate"]])
    solved = _median_error(in_words(best)) < success_threshold(cube)
    found: xr.DataArray = (trained(best).any("seed") & ~solved).transpose(*GROUP, "level")
    return found


def _median_error(best: xr.Dataset) -> xr.DataArray:
    """Over seeds; one that diverged counts as infinite."""
    error: xr.DataArray = best.relative_mse.where(best.status != "diverged", np.inf)
    return error.median("seed")


def cause_variables(
    cube: xr.Dataset, diagnosis: Mapping[tuple[str, int, str], xr.Dataset]
) -> xr.Dataset:
    """The cause of every failure and the evidence for it.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube at one budget, during assembly or opened.
    diagnosis : mapping
        By (architecture, width, kernel), the runs of the phase `diagnose` over level, budget,
        learning rate and seed. A cell without runs is 'not diagnosed', unless it is out of reach;
        its evidence then lists hints from the study's own curves.

    Returns
    -------
    Dataset
        ``cause`` (one of `CAUSES`) and ``cause_evidence`` by architecture, width, kernel and level;
        both are empty where a cell is solved, absent or failed.
    """
    cube = in_words(cube[[name for name in _READ if name in cube.variables]])
    threshold = success_threshold(cube)
    left = unsolved(cube).drop_vars("budget", errors="ignore")
    cause, evidence = (xr.full_like(left, "", dtype=object) for _ in range(2))
    for at in np.argwhere(left.values):
        place = dict(zip(left.dims, map(int, at), strict=True))
        cell = cube.isel(place)
        group = tuple(cell[name].item() for name in GROUP)
        runs = _runs_of(cell, diagnosis[group]) if group in diagnosis else None
        cause[place], evidence[place] = cause_of(cell, runs, threshold=threshold)
    cause.attrs = {"long_name": "why the cell is not solved; empty where it is"}
    evidence.attrs = {"long_name": "evidence for the cause"}
    return xr.Dataset({"cause": cause, "cause_evidence": evidence})


def cause_of(cell: xr.Dataset, runs: xr.Dataset | None, *, threshold: float) -> tuple[str, str]:
    """The cause of one cell's failure, and the evidence for it.

    Parameters
    ----------
    cell : Dataset
        The cell's part of a cube, over learning rate and seed.
    runs : Dataset, optional
        Its runs in the phase `diagnose`, over budget, learning rate and seed.
    threshold : float
        Relative error below which a member succeeds.
    """
    if reason := out_of_reach(cell, threshold):
        return OUT_OF_REACH, reason
    cell = tried(cell)
    limits = _limits(cell, threshold)
    parts = {} if runs is None else _arms(cell, runs)
    arms = {arm: members for arm, members in parts.items() if trained(members).any()}
    if not arms:  # no runs, or the model's own code broke in them
        return NOT_DIAGNOSED, "; ".join([*hints(cell, threshold), limits])
    outcomes = {arm: _outcome(members, threshold) for arm, members in arms.items()}
    shown = [
        f"{good} of {trials} {_words(arm, arms[arm])}" for arm, (good, trials) in outcomes.items()
    ]
    good, trials = _outcome(cell, threshold)
    evidence = "; ".join([f"seeds that succeed: {good} of {trials} in the study", *shown, limits])
    for arm in (BUDGET, LEARNING_RATE, BOTH):
        if arm in arms and _median_error(chosen_members(arms[arm])) < threshold:
            return arm, evidence
    if good or outcomes.get(INITIALISATION, (0, 0))[0]:
        return INITIALISATION, evidence
    return UNRESOLVED, evidence


def out_of_reach(cell: xr.Dataset, threshold: float) -> str:
    """Why no model of this kind can solve the cell; empty if no reason is known."""
    field = float(cell.receptive_field)
    if np.isfinite(field):
        energy = cell.weights.values * cell.memory_function.values**2
        missed = float(energy[int(field) :].sum() / energy.sum())
        if "linear_floor" in cell and cell.linear != 1 and np.isnan(cell.state_size):
            # On a marked clock, even small lags can lie beyond the field; the floor includes them.
            missed = max(missed, float(cell.lower_floor))
        if missed > threshold:
            return f"lags beyond the receptive field of {field:.0f} have {missed:.2g} of the energy"
    # A bound for time-invariant models (docs/theory.md, section 2).
    noise = cell.get("time_variation_standard_error", 0.0)  # only in marked tasks
    invariant = not (cell.time_variation - 3 * noise > RESOLVED).any()
    if cell.linear == 1 and invariant and cell.lower_floor > threshold:
        size = float(cell.state_size)
        of_size = "" if np.isnan(size) else f" of state size {size:.0f}"
        return (
            f"no linear time-invariant model{of_size} has a "
            f"relative error below {float(cell.lower_floor):.2g}"
        )
    return ""


def hints(cell: xr.Dataset, threshold: float) -> list[str]:
    """Hints at the cause from the study's own runs; they prove nothing."""
    found = []
    chosen = chosen_members(cell)
    curves = np.fmin.accumulate(chosen.validation_error.transpose("seed", "step").values, axis=1)
    curves = curves[chosen.status.values == "ok"]
    if len(curves):
        curve, steps = np.median(curves, 0), cell.step.values
        at = int(np.searchsorted(steps, 2 * steps[-1] / 3, side="right")) - 1
        stuck = steps[int(np.argmax(curve <= curve[-1] + _PLATEAU))]
        if curve[-1] < _FALLS * curve[at]:
            found.append(
                f"the error still falls: {curve[at]:.2g} at step {steps[at]}, "
                f"{curve[-1]:.2g} at step {steps[-1]}"
            )
        elif 2 * stuck <= steps[-1]:
            found.append(f"on a plateau at {curve[-1]:.2g} since step {stuck}")
    edge = rate_edge(chosen.learning_rate.values, cell.learning_rate.values)
    if edge in (-1, 1):
        side = "upper" if edge > 0 else "lower"
        found.append(f"the best learning rate lies at the {side} edge of the grid")
    good, trials = _successes(chosen, threshold)
    if good:
        found.append(f"seeds disagree: {good} of {trials} succeed")
    return found


def _runs_of(cell: xr.Dataset, group: xr.Dataset) -> xr.Dataset | None:
    """The runs of a cell among those of its group; None if it was not diagnosed."""
    at = np.flatnonzero(group.rho.values == float(cell.rho))
    return in_words(group.isel(level=int(at[0]))) if len(at) else None


def _limits(cell: xr.Dataset, threshold: float) -> str:
    """The errors that theory allows a linear model of this size."""
    told = " that is told the marks" if "linear_floor" in cell and cell.linear != 1 else ""
    lower, upper = float(cell.lower_floor), float(cell.upper_floor)
    if not np.isfinite(lower):
        return "no state size is declared, so no floor applies"
    if lower > threshold:
        return f"beyond any linear model of this size{told} (no error below {lower:.2g})"
    if upper == 0:
        return "the floor is 0: the state can hold the sequence, or has no fixed size"
    if upper < threshold:
        found = f"{upper:.2g}" if upper >= RESOLVED else f"less than {RESOLVED:g}"
        return f"a linear model of this size{told} reaches {found}"
    return (
        f"the lowest error of a linear model of this size{told} lies between {lower:.2g} and "
        f"{upper:.2g}"
    )


def tried(cell: xr.Dataset) -> xr.Dataset:
    """A cell at the learning rates of its runs; a pilot may have kept only some of the study's."""
    there = (cell.status != "absent").any("seed").values
    return cell.isel(learning_rate=np.flatnonzero(there))


def chosen_members(cell: xr.Dataset) -> xr.Dataset:
    """The members of a cell that count: each seed at the rate that is best for the other seeds."""
    errors = cell.best_validation_error.transpose("learning_rate", "seed").values
    diverged = (cell.status == "diverged").transpose("learning_rate", "seed").values
    rates = xr.DataArray(select_learning_rates(errors, diverged), dims="seed")
    return cell.isel(learning_rate=rates)


def _outcome(members: xr.Dataset, threshold: float) -> tuple[int, int]:
    """Number of seeds that succeed, and of all seeds."""
    if not members.sizes["learning_rate"] or not trained(members).any():
        return 0, 0
    return _successes(chosen_members(members), threshold)


def _successes(chosen: xr.Dataset, threshold: float) -> tuple[int, int]:
    """Number of chosen members that succeed, and that were trained."""
    return int((chosen.relative_mse < threshold).sum()), int(trained(chosen).sum())


def _arms(cell: xr.Dataset, runs: xr.Dataset) -> dict[str, xr.Dataset]:
    """The runs of a diagnosis, grouped by their difference from the study."""
    longer = runs.budget.values > int(cell.budget)
    beyond = ~runs.learning_rate.isin(cell.learning_rate).values
    added = ~runs.seed.isin(cell.seed).values
    parts = {
        BUDGET: (longer, ~beyond, ~added),
        LEARNING_RATE: (~longer, beyond, ~added),
        BOTH: (longer, beyond, ~added),
        INITIALISATION: (~longer, ~beyond, added),
    }
    return {arm: _present(runs, *which) for arm, which in parts.items()}


def _present(runs: xr.Dataset, *which: NDArray[np.bool_]) -> xr.Dataset:
    """Some budgets (at most one), rates and seeds of a diagnosis, without those that never ran."""
    names = ("budget", "learning_rate", "seed")
    part = runs.isel({n: np.flatnonzero(w) for n, w in zip(names, which, strict=True)})
    run = part.status != "absent"
    part = part.isel({n: np.flatnonzero(run.any([m for m in names if m != n])) for n in names})
    return part.isel(budget=0) if part.sizes["budget"] else part.isel(learning_rate=slice(0))


def _words(arm: str, members: xr.Dataset) -> str:
    """An arm in words, for the evidence."""
    rates = ", ".join(f"{rate:.2g}" for rate in members.learning_rate.values)
    return {
        BUDGET: f"with {int(members.budget)} steps",
        LEARNING_RATE: f"at learning rates {rates}",
        BOTH: f"with {int(members.budget)} steps at learning rates {rates}",
        INITIALISATION: "with new seeds",
    }[arm]
