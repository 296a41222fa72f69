"""The trainer: trains members of one architecture together, all at the same step.

Each member has its own task, initialisation, batch order, learning rate, gradient clipping,
divergence and checkpoints. Members share only operations: up to rounding, each gets the same
numbers as when it trains alone.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mfbench.models.build import build_model
from mfbench.models.ensemble import Ensemble, trained_parameters
from mfbench.models.jacobian import mean_over_steps, probe_jacobians
from mfbench.models.model import Model
from mfbench.models.own_code import during, own_code
from mfbench.study.training import VALIDATION_BATCH, TrainingSettings
from mfbench.tasks.past import past_of
from mfbench.training.capture import replayed, seed_generators, stream_of
from mfbench.training.data import Shared, TrainingData
from mfbench.training.loss import time_weights
from mfbench.training.optimiser import AdamW, clip
from mfbench.training.progress import Progress
from mfbench.training.schedule import learning_rate_factor, validation_steps
from mfbench.training.streams import BatchOrder, initialisation_seed, layer_noise_seed

LOOK_EVERY = 100  # steps between reading losses, because each reading waits for the GPU


@dataclass(eq=False)
class Member:
    """One training run.

    Attributes
    ----------
    data : TrainingData
        The task, on the device to train on.
    learning_rate : float
        Peak learning rate.
    seed : int
        Seed of initialisation, batch order and layer noise.
    progress : Progress, optional
        Its progress; None before the start.
    """

    data: TrainingData
    learning_rate: float
    seed: int
    progress: Progress | None = None

    @property
    def finished(self) -> bool:
        """Whether the member is trained or has diverged."""
        return self.progress is not None and self.progress.finished


def initial_model(
    architecture: Mapping[str, Any], *, width: int, length: int, seed: int, d_in: int = 1
) -> Model:
    """Build the untrained model of a member without changing torch's global generators."""
    # A constructor may draw on a GPU, too.
    gpus = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(initialisation_seed(seed))
        for gpu in gpus:
            torch.cuda.default_generators[gpu].manual_seed(initialisation_seed(seed))
        return build_model(architecture, width=width, length=length, d_in=d_in)


class Trainer:
    """Train M members together.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    members : sequence of Member
        Members at the same step, whose tasks have the same length, number of sequences and scored
        steps.
    width : int
        Number of channels.
    settings : TrainingSettings
        The training section of the study.
    steps : int, optional
        Number of steps; by default the study's largest budget.
    """

    def __init__(
        self,
        architecture: Mapping[str, Any],
        members: Sequence[Member],
        *,
        width: int,
        settings: TrainingSettings,
        steps: int | None = None,
    ) -> None:
        data = members[0].data
        self.members, self.settings, self.data = members, settings, data
        self.steps = max(settings.steps) if steps is None else steps
        device, length = data.x.device, data.length
        with own_code():
            models = [
                initial_model(
                    architecture, width=width, length=length, seed=m.seed, d_in=data.channels
                ).to(device)
                for m in members
            ]
        self.ensemble = Ensemble(models)
        self.optimiser = AdamW(
            self.ensemble.parameters,
            [member.learning_rate for member in members],
            sizes={name: p.numel() for name, p in trained_parameters(models[0]).items()},
            groups=models[0].parameter_groups(),
            settings=settings.optimiser,
        )
        self.orders = [
            BatchOrder(seed=m.seed, sequences=len(data.x), batch_size=settings.batch_size)
            for m in members
        ]
        self.x, self.y = (Shared([getattr(m.data, name) for m in members]) for name in ("x", "y"))
        self.x_validation, self.y_validation = (
            Shared([getattr(m.data, f"{name}_validation") for m in members]) for name in ("x", "y")
        )
        self.time_weights = None  # the plain loss needs one operation less
        if settings.loss.time_power:
            weights = time_weights(
                settings.loss.time_power, length=length, scored_from=data.scored_from
            )
            self.time_weights = torch.from_numpy(weights).to(data.x)

        self.validated = validation_steps(self.steps, settings.validations)
        self.best = self.ensemble.parameters.clone()  # (M, P)
        self.best_buffers = {name: b.clone() for name, b in self.ensemble.buffers.items()}
        self.losses = torch.full((len(members), self.steps), float("nan"))
        number = _number(members, architecture, width, self.steps) if len(members) > 1 else 0
        for i, member in enumerate(members):
            if member.progress is None:
                member.progress = Progress(
                    losses=self.losses[i],
                    memory=torch.full((len(self.validated), length), float("nan")),
                )
            else:
                with during("its checkpoint"), own_code():  # fails if the model has changed
                    self._resume(i, member.progress)
            member.progress.ensemble_size, member.progress.ensemble = len(members), number
        self.step = self.progress[0].step

        # A step reads and writes fixed addresses, so that a GPU can replay it.
        M, B, K = len(members), settings.batch_size, min(LOOK_EVERY, self.steps)
        self._rows = torch.zeros(K, M, B, dtype=torch.int64, device=device)
        self._factors = data.x.new_zeros(K)  # shares of the peak learning rate
        self._corrections = data.x.new_zeros(K, 2)
        self._recent = data.x.new_zeros(K, M)  # losses since they were last read
        self._count = torch.zeros(1, dtype=torch.int64, device=device)  # steps since then
        self._run_step = replayed(self.optimise, device)

    @property
    def progress(self) -> list[Progress]:
        """The progress of all members."""
        return [member.progress for member in self.members if member.progress is not None]

    @property
    def running(self) -> list[int]:
        """Members that have not diverged; the others are computed to the end but ignored."""
        return [i for i, progress in enumerate(self.progress) if progress.diverged_step < 0]

    def train(
        self,
        *,
        save: Callable[[Sequence[Member]], None] | None = None,
        report: Callable[[int], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Train all members to the end, from the start or from their progress.

        Interruptions do not change the numbers.

        Parameters
        ----------
        save : callable, optional
            Called with the members every ``checkpoints.minutes`` and at the end.
        report : callable, optional
            Called with the step whenever losses are read.
        clock : callable
            Returns monotonic seconds.

        Raises
        ------
        ArchitectureError
            The architecture's own code breaks.
        """
        interval = 60 * self.settings.checkpoints.minutes
        saved = counted = clock()
        with stream_of(self.data.x.device):
            while self.running and self.step < self.steps:
                self.prepare()
                while self.step < self._until:
                    self._seed_noise()
                    with during(f"step {self.step + 1}"):
                        self._run_step()
                    self.step += 1
                    if save is not None and clock() - saved >= interval:
                        break
                self._look()
                if self.step in self.validated:
                    self._validate()
                if report is not None:
                    report(self.step)
                now = clock()
                for progress in self.progress:
                    progress.seconds += (now - counted) / len(self.members)
                counted = now
                if save is not None and now - saved >= interval:
                    self.snapshot()
                    save(self.members)
                    saved = now
            self.snapshot()
            if save is not None:
                save(self.members)

    def prepare(self) -> None:
        """Copy to the device what changes between steps, up to the next reading of losses."""
        start, settings = self.step, self.settings
        following = min(s for s in self.validated if s > start)
        self._looked, self._until = start, min((start // LOOK_EVERY + 1) * LOOK_EVERY, following)
        steps = range(start, self._until)
        rows = np.stack([order.rows(start, len(steps)) for order in self.orders], 1)
        factors = [
            learning_rate_factor(step, steps=self.steps, schedule=settings.schedule)
            for step in steps
        ]
        self._rows[: len(steps)] = torch.from_numpy(rows)
        self._factors[: len(steps)] = torch.tensor(factors, dtype=torch.float64)
        self._corrections[: len(steps)] = self.optimiser.corrections(steps)
        self._count.zero_()

    def optimise(self) -> None:
        """Take one step of all members without reading any number from the device."""
        rows = self._rows.index_select(0, self._count)[0]  # (M, B)
        x, y = self.x.rows(rows), self.y.rows(rows)  # (M, B, T, d), (M, B, T)
        outputs = self.ensemble(x)[..., 0]  # (M, B, T)
        residual = (outputs - y)[..., self.data.scored_from :]
        if self.time_weights is not None:
            residual = residual * self.time_weights
        loss = residual.square().mean((-2, -1))  # (M,)
        with during("backward"), own_code():
            gradient = self.ensemble.gradient(loss)  # (M, P)
        if self.settings.gradient_clipping is not None:
            clip(gradient, self.settings.gradient_clipping)
        self.optimiser.step(
            gradient,
            self._factors.index_select(0, self._count)[0],
            self._corrections.index_select(0, self._count)[0],
        )
        self._recent.index_copy_(0, self._count, loss.detach()[None])
        self._count.add_(1)

    def _seed_noise(self) -> None:
        """Make the random numbers of layers depend only on seed and step.

        Only a member that trains alone can have such layers, because vmap rejects them.
        """
        if len(self.members) == 1:
            seed_generators(self.data.x.device, layer_noise_seed(self.members[0].seed) + self.step)

    def _look(self) -> None:
        """Read the losses; a member diverges at its first loss that is not finite."""
        start = self._looked
        self.losses[:, start : self.step] = self._recent[: self.step - start].T.cpu()
        for i in self.running:
            progress = self.progress[i]
            progress.step = self.step
            broken = torch.nonzero(~torch.isfinite(self.losses[i, start : self.step]))
            if len(broken):
                progress.diverged_step = start + 1 + int(broken[0])

    def _validate(self) -> None:
        """Append to the curves of the running members and keep their best weights."""
        if not self.running:
            return
        at = self.validated.index(self.step)
        before = self.validated[at - 1] if at else 0
        losses = self.losses[:, before : self.step].double().mean(-1).tolist()
        with during(f"validation at step {self.step}"):
            errors = self._validation_errors().tolist()
        improved = torch.zeros(len(self.members), dtype=torch.bool)
        for i in self.running:
            progress, error = self.progress[i], errors[i]
            progress.train_error.append(losses[i])
            progress.validation_error.append(error)
            # The first loss is the untrained model's, which may be large even if it can learn.
            start = max(1.0, float(self.losses[i, 0]))
            if not error <= self.settings.diverged_above * start:  # `not <=` also catches NaN
                progress.diverged_step = self.step
            elif error < progress.best_error:
                progress.best_error, progress.best_step = error, self.step
                improved[i] = True
        self._keep(improved.to(self.best.device))
        if self.settings.memory_probes and self.running:
            with during(f"memory function at step {self.step}"):
                memory = self._memory()
            for i in self.running:
                self.progress[i].memory[at] = memory[i]

    @property
    def _validation_batch(self) -> int:
        """Sequences per member to validate at once, without taking more memory than a step."""
        return max(self.settings.batch_size, VALIDATION_BATCH // len(self.members))

    def _validation_errors(self) -> Tensor:
        """Mean squared error on the validation split, (M,)."""
        sequences, size = len(self.data.x_validation), self._validation_batch
        total = torch.zeros(len(self.members), dtype=torch.float64, device=self.data.x.device)
        self.ensemble.model.eval()
        with torch.no_grad():
            for start in range(0, sequences, size):
                part = slice(start, start + size)
                x, y = self.x_validation.part(part), self.y_validation.part(part)
                residual = (self.ensemble(x)[..., 0] - y)[..., self.data.scored_from :]
                total += residual.square().mean((-2, -1)) * x.shape[-3]
        self.ensemble.model.train()
        return total / sequences

    def _memory(self) -> Tensor:
        """Memory function learned so far, the mean Jacobian on the validation split, (M, T).

        All steps use the same probes, so differences between steps come from the model.
        """
        probes = self.settings.memory_probes
        self.ensemble.model.eval()
        if self.data.marks is not None:
            return self._memory_by_correlation(probes)
        rows, times, _ = probe_jacobians(
            self.ensemble,
            self.x_validation.part(slice(probes))[..., 0],
            scored_from=self.data.scored_from,
            probes=probes,
            batch_size=self._validation_batch,
        )
        self.ensemble.model.train()
        return torch.from_numpy(mean_over_steps(rows, times))

    def _memory_by_correlation(self, sequences: int) -> Tensor:
        """The same for a marked task: correlations of the outputs with what the memory reads."""
        x = self.x_validation.part(slice(sequences))  # (M, n, T, 2)
        with torch.no_grad():
            batches = [self.ensemble(part)[..., 0] for part in x.split(self._validation_batch, 1)]
        self.ensemble.model.train()
        outputs = torch.cat(batches, 1)[..., self.data.scored_from :].double().cpu().numpy()
        inputs = x.double().cpu().numpy()
        means = [
            past_of(own[..., 0], own[..., 1], self.data.marks).means(output).mean(0)
            for own, output in zip(inputs, outputs, strict=True)
        ]
        return torch.from_numpy(np.stack(means))

    def _keep(self, improved: Tensor) -> None:
        """Keep the current weights of the improved members, (M,), as their best."""
        now = {"": (self.best, self.ensemble.parameters)}
        now |= {n: (best, self.ensemble.buffers[n]) for n, best in self.best_buffers.items()}
        for best, present in now.values():
            which = improved.view(-1, *(1 for _ in present.shape[1:]))
            best.copy_(torch.where(which, present, best))

    def snapshot(self) -> None:
        """Copy into the progress what a checkpoint needs to continue."""
        vectors = {
            "parameters": self.ensemble.parameters.cpu(),
            "first_moment": self.optimiser.first_moment.cpu(),
            "second_moment": self.optimiser.second_moment.cpu(),
            **{f"buffer.{name}": b.cpu() for name, b in self.ensemble.buffers.items()},
        }
        best, buffers = self.best.cpu(), {n: b.cpu() for n, b in self.best_buffers.items()}
        for i, progress in enumerate(self.progress):
            state = self.ensemble.state(best[i], {n: buffer[i] for n, buffer in buffers.items()})
            progress.tensors = {f"best.{name}": tensor for name, tensor in state.items()}
            if not progress.finished:
                progress.tensors |= {name: rows[i].clone() for name, rows in vectors.items()}

    def _resume(self, i: int, progress: Progress) -> None:
        """Restore member i from its progress."""
        self.losses[i] = progress.losses
        progress.losses = self.losses[i]
        kept = progress.tensors
        with torch.no_grad():
            self.ensemble.parameters[i] = kept["parameters"]
            self.optimiser.first_moment[i] = kept["first_moment"]
            self.optimiser.second_moment[i] = kept["second_moment"]
            for name, buffer in self.ensemble.buffers.items():
                buffer[i] = kept[f"buffer.{name}"]
            self.best[i] = self.ensemble.row({n: kept[f"best.{n}"] for n in self.ensemble.stored})
            for name, buffer in self.best_buffers.items():
                if f"best.{name}" in kept:
                    buffer[i] = kept[f"best.{name}"]


def _number(
    members: Sequence[Member], architecture: Mapping[str, Any], width: int, steps: int
) -> int:
    """Identify an ensemble by a number from 1 to 2^31 - 1; equal members give equal numbers."""
    trained = [
        # Tasks of a study share the input and differ in the target.
        (m.learning_rate, m.seed, float(m.data.y.double().sum()))
        for m in members
    ]
    text = repr((architecture, width, steps, trained))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest) % (2**31 - 1) + 1
