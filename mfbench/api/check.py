"""What a model promises, and what a step of its training costs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from mfbench.api.alone import plain_reason
from mfbench.api.defaults import LENGTH, WIDTH
from mfbench.api.models import Architecture, settings_of
from mfbench.models.build import build_model, name_of
from mfbench.models.ensemble import ensemble_error, trained_parameters
from mfbench.models.judging import Outcome, judge_promises
from mfbench.models.model import Model
from mfbench.models.own_code import ArchitectureError, own_code
from mfbench.study.evaluation import EvaluationSettings
from mfbench.study.training import TrainingSettings
from mfbench.training.capture import WARM_UP, Replayed, replayed, stream_of
from mfbench.training.data import TrainingData
from mfbench.training.device import choose_device, prepared
from mfbench.training.memory import step_bytes
from mfbench.training.trainer import Member, Trainer, initial_model

_SETTINGS = TrainingSettings(
    steps=[100], batch_size=16, learning_rates=[1e-3], seeds=[0, 1], validations=1, memory_probes=0
)
_SECONDS, _STEPS = 1.0, 90  # to time steps for, at most


@dataclass(frozen=True)
class Cost:
    """What a step of one member costs, with a batch of 16 sequences.

    Attributes
    ----------
    milliseconds : float
    memory : int
        Bytes at the peak of a step, as members that train together take it.
    alone : str
        What keeps members from training together, which costs time only; empty if nothing does.
    unrecorded : str
        Why a GPU does not replay a recorded step; empty if it does.
    """

    milliseconds: float
    memory: int
    alone: str
    unrecorded: str


@dataclass(frozen=True)
class Check:
    """What `check` finds.

    Attributes
    ----------
    model : str
        Its name.
    width, length : int
    device : str
    promises : tuple of Outcome
    parameters : int
        Number of trained real numbers.
    state_size, receptive_field : int or None
    linear : bool
        What the model declares about itself.
    cost : Cost or None
        None if the model does not run.
    """

    model: str
    width: int
    length: int
    device: str
    promises: tuple[Outcome, ...]
    parameters: int
    state_size: int | None
    receptive_field: int | None
    linear: bool
    cost: Cost | None

    @property
    def broken(self) -> bool:
        """Whether the model breaks a promise."""
        return any(outcome.state == "broken" for outcome in self.promises)


@prepared(threads=1)
def check(
    model: Architecture,
    *,
    options: Mapping[str, Any] | None = None,
    width: int = WIDTH,
    length: int = LENGTH,
    device: str = "auto",
) -> Check:
    """Check a model: its promises, its size, and what a step of its training costs.

    Parameters
    ----------
    model : str or callable
        As in `build`.
    options : mapping, optional
        Arguments of its constructor, and the settings of a stack of mixers.
    width : int
        Number of channels.
    length : int
        Sequence length in steps.
    device : {"auto", "cpu", "cuda"}
        Where it will be trained.

    Raises
    ------
    ValueError
        The model cannot be built.

    Examples
    --------
    >>> found = check("rnn", width=4, length=16, device="cpu")
    >>> found.broken, found.parameters, found.state_size
    (False, 52, 4)
    """
    settings = settings_of(model, options or {}, width=width, length=length)
    chosen = choose_device(device)
    build = partial(build_model, settings, width=width, length=length)
    longer = [factor * length for factor in EvaluationSettings().length_factors]
    promises = judge_promises(build, length=length, lengths_of_evaluation=longer, device=chosen)
    built = initial_model(settings, width=width, length=length, seed=0)
    state, field, linear = (
        _declared(built, name) for name in ("state_size", "receptive_field", "linear")
    )
    try:
        cost = _cost(settings, width=width, length=length, device=chosen)
    except (ArchitectureError, RuntimeError):  # the broken promises say why
        if not any(outcome.state == "broken" for outcome in promises):
            raise
        cost = None
    return Check(
        model=name_of(settings["model"]),
        width=width,
        length=length,
        device=chosen.type,
        promises=tuple(promises),
        parameters=sum(p.numel() for p in trained_parameters(built).values()),
        state_size=state,
        receptive_field=field,
        linear=bool(linear),
        cost=cost,
    )


def _declared(model: Model, name: str) -> Any:
    """What a model declares; None if its code fails, which breaks a promise."""
    try:
        with own_code():
            return getattr(model, name)
    except ArchitectureError:
        return None


def _cost(settings: Mapping[str, Any], *, width: int, length: int, device: torch.device) -> Cost:
    generator = torch.Generator().manual_seed(0)
    y = torch.randn((2 * _SETTINGS.batch_size, length), generator=generator).to(device)
    x = y[..., None]
    data = TrainingData(x, y, x, y, scored_from=length // 2)
    memory = step_bytes(settings, data, width=width, settings=_SETTINGS)
    member = Member(data, learning_rate=_SETTINGS.learning_rates[0], seed=0)
    trainer = Trainer(settings, [member], width=width, settings=_SETTINGS)
    trainer.prepare()
    step, count = replayed(trainer.optimise, device), 0
    with stream_of(device):
        for _ in range(WARM_UP + 1):
            step()
        _wait(device)
        start = time.perf_counter()
        while count < _STEPS and time.perf_counter() - start < _SECONDS:
            step()
            count += 1
        _wait(device)
        seconds = time.perf_counter() - start
    models = [
        initial_model(settings, width=width, length=length, seed=seed).to(device)
        for seed in _SETTINGS.seeds
    ]
    return Cost(
        milliseconds=1e3 * seconds / count,
        memory=memory,
        alone=plain_reason(ensemble_error(models, x[:4].reshape(2, 2, length, 1)) or ""),
        unrecorded=step.reason if isinstance(step, Replayed) else "no GPU here",
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
