"""Check the promises of a model, before it is trained.

`check_promises` stops at the first broken promise; `judge_promises` goes on with those that can
still be judged, and measures where the model declares nothing. Promises about the map from x to y
are checked again at disturbed parameters, because a gate that starts at zero hides what it lets
through later.

A difference breaks a promise if it exceeds the tolerance times the largest output in float32 and,
if the model runs in float64, there as well. So the rounding errors that a chaotic or
ill-conditioned model amplifies break no promise.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from mfbench.models.model import Model
from mfbench.models.own_code import ArchitectureError, during, own_code
from mfbench.models.promises import PROMISES, BrokenPromiseError, Promise
from mfbench.models.trial import Trial, apart, changes, seeded, size_of

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Outcome:
    """The result of checking a promise.

    Attributes
    ----------
    promise : Promise
    state : {"holds", "warning", "broken", "not judged", "not declared"}
    message : str
        What was found and what to change; empty for one that holds.
    """

    promise: Promise
    state: Literal["holds", "warning", "broken", "not judged", "not declared"]
    message: str = ""


def check_promises(build: Callable[[], Model], **options: Any) -> list[str]:
    """Stop at the first broken promise of a model; the warnings to its author if there is none.

    Takes what `judge_promises` takes.
    """
    outcomes = judge_promises(build, stop=True, **options)
    return [outcome.message for outcome in outcomes if outcome.state == "warning"]


def judge_promises(
    build: Callable[[], Model],
    *,
    length: int,
    lengths_of_evaluation: Sequence[int] = (),
    device: torch.device = _CPU,
    stop: bool = False,
) -> list[Outcome]:
    """Judge every promise of a model, also those after a broken one.

    Parameters
    ----------
    build : callable
        Builds an untrained model. It is called twice, with different states of all random
        generators, which are restored afterwards.
    length : int
        Sequence length T in steps.
    lengths_of_evaluation : sequence of int
        Other lengths that the model should run on.
    device : torch.device
        Device that will train the model.
    stop : bool
        Raise the error of the first broken promise, and measure nothing that is not declared.

    Returns
    -------
    list of Outcome
        In the order of `PROMISES`.

    Raises
    ------
    ArchitectureError
        The model cannot be built; or it breaks a promise or its code fails, and `stop` is set.
    """
    with own_code(), seeded(0):
        model = copy.deepcopy(build().to(device).eval())  # an ensemble copies it too
        trial = Trial(model, build, length, lengths_of_evaluation)
        found: dict[str, Outcome] = {}
        for promise in PROMISES:
            found[promise.name] = _outcome(promise, trial, found, stop=stop)
        if (other := trial.disturb()) is not None:
            for promise in PROMISES:
                if promise.disturbed and found[promise.name].state == "holds":
                    found[promise.name] = _outcome(
                        promise, other, found, stop=stop, when="once its parameters change"
                    )
        if not stop:
            _measure_undeclared(other or trial, found)
    return list(found.values())


def _outcome(
    promise: Promise, trial: Trial, found: Mapping[str, Outcome], *, stop: bool, when: str = ""
) -> Outcome:
    for name in promise.needs:
        if found[name].state in ("broken", "not judged"):
            return Outcome(promise, "not judged", f"the promise {name!r} must hold first")
    said = len(trial.warnings)
    try:
        with own_code():
            reason = None if stop else _unchecked(promise.name, trial)
        if reason is not None:
            return Outcome(promise, "not judged" if reason else "not declared", reason)
        with during(when) if when else nullcontext():
            _check(promise, trial)
    except ArchitectureError as error:
        if stop:
            raise
        return Outcome(promise, "broken", str(error))
    more = trial.warnings[said:]
    return Outcome(promise, "warning", "; ".join(more)) if more else Outcome(promise, "holds")


def _unchecked(name: str, trial: Trial) -> str | None:
    """Why a declaration is not checked; "" if the model makes none, None if it is checked."""
    model, length = trial.model, trial.length
    if name == "linear":
        return None if model.linear else ""
    if name == "step form":
        return None if any(part.recur for part in model.parts()) else ""
    if name in ("receptive field", "receptive field reached"):
        modules: list[Any] = [part.module for part in model.parts()]
        fields = [m.receptive_field for m in modules if m.receptive_field is not None]
        short = [field for field in fields if field < length + (name == "receptive field reached")]
        reason = f"sequences of {length} steps are too short for it" if fields else ""
        return None if short else reason
    if name == "state size" and (size := model.state_size) is not None:
        reason = "" if model.linear else "only that of a linear model can be checked"
        if size >= min(length // 2, trial.copies):
            reason = reason or f"sequences of {length} steps are too short for it"
        return f"state_size = {size} is declared; {reason}" if reason else None
    return "" if name == "state size" else None


def _measure_undeclared(trial: Trial, found: dict[str, Outcome]) -> None:
    """Say what the model does where it declares nothing."""
    trial = replace(trial, generator=torch.Generator().manual_seed(0))
    linear, field = found["linear"], found["receptive field"]
    if linear.state == "not declared" and trial.model.d_in == 1:  # a sum of marks is no mark
        x, z = trial.inputs(2)
        f_x, f_z, f_sum = trial.run(torch.stack((x, z, x + z)))
        additive = apart(f_sum, f_x + f_z) <= linear.promise.tolerance * size_of(f_sum)
        message = "measured: linear up to rounding" if additive else "measured: not linear"
        found["linear"] = replace(linear, message=message)
    if field.state == "not declared":
        cuts, change, size = changes(trial, trial.whole, from_cut_on=False)
        lags = torch.arange(trial.length) - (cuts[:, None] - 1)
        seen = lags[change > field.promise.tolerance * size]
        message = f"measured: lags up to {max(0, *seen.tolist())} reach the output"
        found["receptive field"] = replace(field, message=message)


def _check(promise: Promise, trial: Trial) -> None:
    with own_code():
        try:
            promise.check(trial, promise.tolerance)
        except BrokenPromiseError:
            if not (promise.tolerance and _holds_in_double(promise, trial)):
                raise


def _holds_in_double(promise: Promise, trial: Trial) -> bool:
    try:
        with own_code():
            promise.check(trial.double(), promise.tolerance)
    except ArchitectureError:
        return False
    return True


def check_measurable(model: Model, *, length: int) -> None:
    """Check what measurements take for granted, of a model that may be trained.

    Parameters
    ----------
    model : Model
        In evaluation mode.
    length : int
        Sequence length T in steps.

    Raises
    ------
    ArchitectureError
        The model is not causal, has outputs of the wrong shape, is random, mixes sequences, or is
        not linear in spite of its declaration.
    """
    needed = ("output", "deterministic", "independent", "causal", "linear")
    with seeded(0):
        trial = Trial(copy.deepcopy(model), lambda: copy.deepcopy(model), length)
        for promise in PROMISES:
            if promise.name in needed:
                _check(promise, trial)
