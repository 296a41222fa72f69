"""Training of one member: one architecture, one task, one learning rate, one seed."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.architectures.build import build_model
from mfbench.architectures.jacobian import mean_over_steps, probe_jacobians
from mfbench.architectures.model import SequenceModel
from mfbench.architectures.own_code import during, own_code
from mfbench.architectures.stacked import StackedModel
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
        Time spent, over all processes that worked on it; in a stack its share.
    stack_size : int
        Members in the largest stack that it was trained in; 1 where it was trained alone.
    stack : int
        A number that the members of that stack share; 0 where it was trained alone.
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
    stack_size: int = 1
    stack: int = 0
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


class Steps(ABC):
    """Optimiser steps of members that are at the same step, and what is due after them.

    The same for one member as for a stack: in the shapes, ... is nothing for one member and M for
    a stack.

    Attributes
    ----------
    members : sequence of Run
        Whose steps they are.
    model : SequenceModel or StackedModel
        (..., B, T, 1) -> (..., B, T, 1).
    optimiser : FlatAdamW
        Works on the model's parameters, (..., P).
    learning_rate : float or (M, 1) tensor
        Peak learning rate.
    """

    members: Sequence[Run]
    model: SequenceModel | StackedModel
    optimiser: FlatAdamW
    learning_rate: float | Tensor

    def __init__(self, data: TrainingData, settings: TrainingSettings) -> None:
        self.settings, self.scored_from = settings, data.scored_from
        self.validated = validation_steps(settings.steps, settings.validations)
        self.time_weights = None  # the plain mean takes one operation less
        if settings.loss.time_power:
            weights = time_weights(
                settings.loss.time_power, length=data.length, scored_from=data.scored_from
            )
            self.time_weights = torch.from_numpy(weights).to(data.x)

    @property
    def done(self) -> int:
        """Steps that are done."""
        return self.members[0].progress.step

    @property
    @abstractmethod
    def losses(self) -> Tensor:
        """Training loss of each step, (..., steps)."""

    @abstractmethod
    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Input and target of a step, (..., B, T) each."""

    @abstractmethod
    def validation(self, rows: slice) -> tuple[Tensor, Tensor]:
        """Input and target of some sequences of the validation split, (..., n, T) each."""

    @property
    def validation_batch(self) -> int:
        """Sequences of a member that are validated at once."""
        return _VALIDATION_BATCH

    def step(self) -> None:
        """One optimiser step, and what is due after it."""
        settings, step = self.settings, self.done
        x, y = self.batch(step)
        with during(f"step {step + 1}"):
            outputs = self.model(x[..., None])  # (..., B, T, 1)
        scored = (outputs[..., 0] - y)[..., self.scored_from :]
        if self.time_weights is not None:
            scored = scored * self.time_weights
        loss = scored.square().mean((-2, -1))  # (...)
        with during(f"step {step + 1}, backward"), own_code():
            self.optimiser.differentiate(loss)
        if settings.gradient_clipping is not None:
            self.optimiser.clip(settings.gradient_clipping)
        factor = learning_rate_factor(step, steps=settings.steps, schedule=settings.schedule)
        self.optimiser.step(step, self.learning_rate * factor)
        self.losses[..., step] = loss.detach()
        for member in self.members:
            member.progress.step = step + 1
        if self.done in self.validated:
            self.check()
            self.validate()
        elif self.done - self.members[0].checked >= _CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """Note the first step with a loss that is not finite, for each member that has one."""
        start, end = self.members[0].checked, self.done
        finite = torch.isfinite(self.losses[..., start:end].cpu())
        for member, row in zip(
            self.members, finite.reshape(len(self.members), end - start), strict=True
        ):
            if not row.all():
                member.progress.diverged_step = start + 1 + int(torch.nonzero(~row)[0])
            member.checked = end

    def running(self) -> list[int]:
        """Which members have not diverged."""
        return [i for i, m in enumerate(self.members) if m.progress.diverged_step < 0]

    def validate(self) -> None:
        """Append to the curves of the running members, and keep the weights that are the best."""
        if not self.running():
            return
        before = max((s for s in self.validated if s < self.done), default=0)
        recent = self.losses[..., before : self.done].mean(-1).reshape(-1).tolist()
        with during(f"validation at step {self.done}"):
            errors = self.validation_errors().reshape(-1).tolist()
        for i in self.running():
            self.members[i].note_validation(recent[i], errors[i])
        if self.settings.memory_probes and self.running():
            with during(f"memory function at step {self.done}"):
                memories = self.memory().reshape(len(self.members), -1)
            for i in self.running():
                self.members[i].progress.memory[self.validated.index(self.done)] = memories[i]

    def validation_errors(self) -> Tensor:
        """Mean squared error on the validation split, (...)."""
        sequences, size = self.members[0].data.x_validation.shape[0], self.validation_batch
        parts = []
        self.model.eval()
        with torch.no_grad():
            for start in range(0, sequences, size):
                x, y = self.validation(slice(start, start + size))
                residual = (self.model(x[..., None])[..., 0] - y)[..., self.scored_from :]
                parts.append(residual.square().mean((-2, -1)).double() * x.shape[-2])
        self.model.train()
        return torch.stack(parts).sum(0) / sequences

    def memory(self) -> Tensor:
        """The memory function learned so far, (..., T): mean Jacobian on the validation split.

        The same probes at every step, so that differences over the training are the model's.
        """
        probes = self.settings.memory_probes
        self.model.eval()
        rows, times = probe_jacobians(
            self.model,
            self.validation(slice(probes))[0],
            scored_from=self.scored_from,
            probes=probes,
            batch_size=self.validation_batch,
        )
        self.model.train()
        return torch.from_numpy(mean_over_steps(rows, times))


class Run(Steps):
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

    model: SequenceModel
    learning_rate: float

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
        super().__init__(data, settings)
        self.architecture, self.width, self.data = dict(architecture), width, data
        self.learning_rate, self.seed = learning_rate, seed
        device = data.x.device
        self.model = initial_model(architecture, width=width, length=data.length, seed=seed)
        self.model.to(device)
        self.optimiser = FlatAdamW(self.model, settings.optimiser)
        self.order = BatchOrder(seed=seed, sequences=len(data.x), batch_size=settings.batch_size)
        self.noise_seed = layer_noise_seed(seed)
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
        self.checked = progress.step  # losses before this step are known to be finite

    @property
    def members(self) -> Sequence[Run]:  # type: ignore[override]
        return (self,)

    @property
    def losses(self) -> Tensor:
        return self.progress.losses

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(self.order.rows(step)).to(self.data.x.device)
        return self.data.x[rows], self.data.y[rows]  # (B, T)

    def validation(self, rows: slice) -> tuple[Tensor, Tensor]:
        return self.data.x_validation[rows], self.data.y_validation[rows]

    def step(self) -> None:
        # Layers that draw random numbers (dropout) do so as a function of seed and step alone.
        torch.manual_seed(self.noise_seed + self.done)
        super().step()

    def note_validation(self, loss: float, error: float) -> None:
        """Append a mean loss and a squared error to the curves; keep the weights if the best."""
        progress, variance = self.progress, self.data.variance
        error /= variance
        progress.train_error.append(loss / variance)
        progress.validation_error.append(error)
        if not error <= self.settings.diverged_above:  # also where it is not a number
            progress.diverged_step = progress.step
        elif error < progress.best_error:
            progress.best_error, progress.best_step = error, progress.step
            progress.tensors |= self._best()

    def snapshot(self) -> None:
        """Put into the progress what a checkpoint needs to go on from here."""
        tensors = self.progress.tensors
        tensors |= {name: v.clone() for name, v in self.optimiser.state().items()}
        tensors |= {f"buffer.{name}": v.clone() for name, v in self.model.named_buffers()}

    def _best(self) -> dict[str, Tensor]:
        return {f"best.{name}": v.detach().clone() for name, v in self.model.state_dict().items()}


def advance(
    steps: Steps,
    *,
    save: Callable[[Run], None] | None,
    clock: Callable[[], float],
    saved: float | None = None,
) -> float:
    """Train until one of the members is finished; the time of the last checkpoint.

    Parameters
    ----------
    steps : Steps
        One member or a stack, none of them finished.
    save : callable, optional
        Called with each member every ``checkpoints.minutes`` of the settings.
    clock : callable
        Seconds, monotonic.
    saved : float, optional
        When the last checkpoint was made, if before now.
    """
    counted = clock()
    saved = counted if saved is None else saved
    while not any(member.progress.finished for member in steps.members):
        steps.step()
        now = clock()
        for member in steps.members:
            member.progress.seconds += (now - counted) / len(steps.members)
        counted = now
        if save is not None and now - saved >= 60 * steps.settings.checkpoints.minutes:
            steps.check()
            for member in steps.members:
                member.snapshot()
                save(member)
            saved = now
    return saved


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
    if not run.progress.finished:
        each = None if save is None else lambda member: save(member.progress)
        advance(run, save=each, clock=clock)
    run.snapshot()
    return run.progress
