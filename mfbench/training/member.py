"""Training of one member: one architecture, one task, one learning rate, one seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mfbench.architectures.build import build_model
from mfbench.architectures.model import SequenceModel
from mfbench.config.training import TrainingSettings
from mfbench.training.data import TrainingData
from mfbench.training.optimiser import FlatAdamW
from mfbench.training.progress import Progress
from mfbench.training.steps import Steps
from mfbench.training.streams import BatchOrder, initialisation_seed, layer_noise_seed


def initial_model(
    architecture: Mapping[str, Any], *, width: int, length: int, seed: int
) -> SequenceModel:
    """The untrained model of a member; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(initialisation_seed(seed))
        return build_model(architecture, width=width, length=length)


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
