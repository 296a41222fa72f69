"""Training of one member: one architecture, one task, one learning rate, one seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.architectures.build import build_model, checked_shape, own_code
from mfbench.architectures.jacobian import mean_over_steps, probe_jacobians
from mfbench.architectures.model import SequenceModel
from mfbench.config.training import TrainingSettings
from mfbench.training.loss import time_weights
from mfbench.training.optimiser import FlatAdamW
from mfbench.training.schedule import learning_rate_factor, validation_steps
from mfbench.training.streams import BatchOrder, initialisation_seed, layer_noise_seed

_CHECK_EVERY = 100  # steps between looks at the loss, each of which waits for a GPU
_VALIDATION_BATCH = 256  # sequences at once; does not change the result beyond rounding


@dataclass(frozen=True)
class TrainingData:
    """What a cell trains on, as tensors on its device.

    Attributes
    ----------
    x, y, x_validation, y_validation : (N, T) tensors
    scored_from : int
        First scored step: the loss is the mean squared error over the steps from there on.
    variance : float
        Squared error of the zero predictor, which errors are relative to.
    """

    x: Tensor
    y: Tensor
    x_validation: Tensor
    y_validation: Tensor
    scored_from: int
    variance: float

    @classmethod
    def of(
        cls,
        x: Mapping[str, NDArray[np.float32]],
        y: Mapping[str, NDArray[np.float32]],
        *,
        scored_from: int,
        variance: float,
        device: torch.device,
    ) -> TrainingData:
        """The splits ``train`` and ``validation`` of a task, put on a device."""
        return cls(
            x=torch.from_numpy(x["train"]).to(device),
            y=torch.from_numpy(y["train"]).to(device),
            x_validation=torch.from_numpy(x["validation"]).to(device),
            y_validation=torch.from_numpy(y["validation"]).to(device),
            scored_from=scored_from,
            variance=variance,
        )

    @property
    def length(self) -> int:
        """Sequence length T in steps."""
        return self.x.shape[1]


@dataclass
class Progress:
    """Everything that changes while a member trains; what a checkpoint holds.

    Attributes
    ----------
    step : int
        Optimiser steps done.
    best_step : int
        The validated step with the least error; 0 is the untrained model.
    diverged_step : int
        The first step with a loss that is not finite, or the validated step with an error above
        the threshold; -1 where there is none.
    seconds : float
        Time spent, over all processes that worked on it.
    train_error, validation_error : list of float
        Relative errors at the validated steps; the former is the mean loss since the one before.
    tensors : dict
        Flat vectors of the optimiser, and ``best.*``, the state dict of the best step.
    losses : (steps,) tensor
        Training loss of each step.
    memory : (validations, T) tensor
        Learned memory function at the validated steps; NaN where it is not (yet) known.
    """

    step: int = 0
    best_step: int = 0
    best_error: float = float("inf")
    diverged_step: int = -1
    seconds: float = 0.0
    train_error: list[float] = field(default_factory=list)
    validation_error: list[float] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    losses: Tensor = field(default_factory=lambda: torch.empty(0))
    memory: Tensor = field(default_factory=lambda: torch.empty(0, 0))

    @property
    def finished(self) -> bool:
        """All steps are done, or the member has diverged."""
        return self.diverged_step >= 0 or 0 < len(self.losses) == self.step

    def best_weights(self) -> dict[str, NDArray[np.float32]]:
        """The state dict of the best step as arrays."""
        prefix = "best."
        return {
            name.removeprefix(prefix): tensor.cpu().numpy()
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }


def member_name(learning_rate: float, seed: int) -> str:
    """Name of a member in file names and among tensors; no two learning rates share one."""
    return f"learning_rate={learning_rate!r},seed={seed}"


def initial_model(
    architecture: Mapping[str, Any], *, width: int, length: int, seed: int
) -> SequenceModel:
    """The untrained model of a member; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(initialisation_seed(seed))
        return build_model(architecture, width=width, length=length)


class Run:
    """A member at work: model, optimiser and progress, one step at a time.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    data : TrainingData
        The task, on the device to train on.
    width : int
        Number of channels.
    learning_rate : float
        Peak learning rate.
    seed : int
        Seed of initialisation, batch order and noise of layers.
    settings : TrainingSettings
        The training section of the study.
    progress : Progress, optional
        Where to go on.
    """

    def __init__(
        self,
        architecture: Mapping[str, Any],
        data: TrainingData,
        *,
        width: int,
        learning_rate: float,
        seed: int,
        settings: TrainingSettings,
        progress: Progress | None = None,
    ) -> None:
        self.data, self.settings, self.learning_rate = data, settings, learning_rate
        device = data.x.device
        self.model = initial_model(architecture, width=width, length=data.length, seed=seed)
        self.model.to(device)
        self.optimiser = FlatAdamW(self.model, settings.optimiser)
        self.order = BatchOrder(seed=seed, sequences=len(data.x), batch_size=settings.batch_size)
        self.noise_seed = layer_noise_seed(seed)
        self.validated = validation_steps(settings.steps, settings.validations)
        self.time_weights = None  # the plain mean takes one operation less
        if settings.loss.time_power:
            weights = time_weights(
                settings.loss.time_power, length=data.length, scored_from=data.scored_from
            )
            self.time_weights = torch.from_numpy(weights).to(data.x)
        if progress is None:
            progress = Progress(
                losses=data.x.new_full((settings.steps,), float("nan")),
                memory=torch.full((len(self.validated), data.length), float("nan")),
            )
            progress.tensors = self._best()
        else:
            progress.tensors = {k: v.to(device) for k, v in progress.tensors.items()}
            progress.losses = progress.losses.to(device)
            self.optimiser.restore(progress.tensors)
            with torch.no_grad():
                for name, buffer in self.model.named_buffers():
                    buffer.copy_(progress.tensors[f"buffer.{name}"])
        self.progress = progress
        self._checked = progress.step  # losses before this step are known to be finite

    def step(self) -> None:
        """One optimiser step, and what is due after it."""
        progress, data, settings = self.progress, self.data, self.settings
        # Layers that draw random numbers (dropout) do so as a function of seed and step alone.
        torch.manual_seed(self.noise_seed + progress.step)
        rows = torch.from_numpy(self.order.rows(progress.step)).to(data.x.device)
        x = data.x[rows][..., None]  # (B, T, 1)
        with own_code(f"step {progress.step + 1}"):
            y = checked_shape(self.model(x), x)
        residual = y[..., 0] - data.y[rows]  # (B, T)
        scored = residual[:, data.scored_from :]
        if self.time_weights is not None:
            scored = scored * self.time_weights
        loss = scored.square().mean()
        self.optimiser.zero_gradient()
        with own_code(f"step {progress.step + 1}, backward"):
            loss.backward()
        if settings.gradient_clipping is not None:
            self.optimiser.clip(settings.gradient_clipping)
        factor = learning_rate_factor(
            progress.step, steps=settings.steps, schedule=settings.schedule
        )
        self.optimiser.step(progress.step, self.learning_rate * factor)
        progress.losses[progress.step] = loss.detach()
        progress.step += 1
        if progress.step in self.validated:
            self.check()
            if progress.diverged_step < 0:
                self.validate()
        elif progress.step - self._checked >= _CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """Note the first step with a loss that is not finite, if there is one by now."""
        progress = self.progress
        finite = torch.isfinite(progress.losses[self._checked : progress.step])
        if not finite.all():
            progress.diverged_step = self._checked + 1 + int(torch.nonzero(~finite)[0])
        self._checked = progress.step

    def validate(self) -> None:
        """Append to the curves, and keep the weights where they are the best so far."""
        progress = self.progress
        before = max((s for s in self.validated if s < progress.step), default=0)
        recent = progress.losses[before : progress.step].mean()
        with own_code(f"validation at step {progress.step}"):
            error = validation_error(self.model, self.data)
        progress.train_error.append(float(recent) / self.data.variance)
        progress.validation_error.append(error)
        if not error <= self.settings.diverged_above:  # also where it is not a number
            progress.diverged_step = progress.step
            return
        if self.settings.memory_probes:
            with own_code(f"memory function at step {progress.step}"):
                memory = self.memory()
            progress.memory[self.validated.index(progress.step)] = memory
        if error < progress.best_error:
            progress.best_error, progress.best_step = error, progress.step
            progress.tensors |= self._best()

    def memory(self) -> Tensor:
        """The memory function learned so far, (T,): mean Jacobian on the validation split.

        The same probes at every step, so that differences over the training are the model's.
        """
        self.model.eval()
        rows, times = probe_jacobians(
            self.model,
            self.data.x_validation,
            scored_from=self.data.scored_from,
            probes=self.settings.memory_probes,
            batch_size=_VALIDATION_BATCH,
        )
        self.model.train()
        return torch.from_numpy(mean_over_steps(rows, times))

    def snapshot(self) -> None:
        """Put into the progress what a checkpoint needs to go on from here."""
        tensors = self.progress.tensors
        tensors |= {name: v.clone() for name, v in self.optimiser.state().items()}
        tensors |= {f"buffer.{name}": v.clone() for name, v in self.model.named_buffers()}

    def _best(self) -> dict[str, Tensor]:
        return {f"best.{name}": v.detach().clone() for name, v in self.model.state_dict().items()}


def validation_error(model: SequenceModel, data: TrainingData) -> float:
    """Relative mean squared error on the validation split."""
    total = 0.0
    model.eval()
    with torch.no_grad():
        for x, y in zip(
            data.x_validation.split(_VALIDATION_BATCH),
            data.y_validation.split(_VALIDATION_BATCH),
            strict=True,
        ):
            residual = (model(x[..., None])[..., 0] - y)[:, data.scored_from :]
            total += float(residual.square().mean()) * len(x)
    model.train()
    return total / len(data.x_validation) / data.variance


def train_member(
    run: Run,
    *,
    save: Callable[[Progress], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Progress:
    """Train one member to its end, from the start or from where it was interrupted.

    The result depends on what the run was made of alone: not on other members, nor on how often
    the training was interrupted.

    Parameters
    ----------
    run : Run
        The member at work.
    save : callable, optional
        Called with the progress every ``checkpoints.minutes`` of the run's settings.
    clock : callable
        Seconds, monotonic.

    Returns
    -------
    Progress
        Finished, with the weights of the best validated step.
    """
    counted = saved = clock()
    while not run.progress.finished:
        run.step()
        now = clock()
        run.progress.seconds += now - counted
        counted = now
        if save is not None and now - saved >= 60 * run.settings.checkpoints.minutes:
            run.check()
            run.snapshot()
            save(run.progress)
            saved = now
    run.snapshot()
    return run.progress
