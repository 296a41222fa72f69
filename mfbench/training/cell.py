"""Training of one cell (architecture, width, kernel, rho) with all its members."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mfbench.architectures.build import check_contract
from mfbench.config.training import TrainingSettings
from mfbench.storage import package_versions
from mfbench.training.checkpoints import Checkpoints, member_key
from mfbench.training.member import Progress, Run, TrainingData, initial_model, train_member

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """A trained cell.

    Attributes
    ----------
    members : dict
        Progress by (learning rate, seed).
    parameters : int
        Number of trained real numbers.
    state_size, receptive_field : int or None
    linear : bool
        What the model declares about itself.
    """

    members: dict[tuple[float, int], Progress]
    parameters: int
    state_size: int | None
    receptive_field: int | None
    linear: bool


def train_cell(
    architecture: Mapping[str, Any],
    data: TrainingData,
    *,
    width: int,
    settings: TrainingSettings,
    code: str,
    checkpoints: Checkpoints,
) -> Cell:
    """Train all members of a cell one after the other.

    Members that an earlier job finished are taken from the checkpoints, so adding a seed or a
    learning rate trains only what is new, and a killed job goes on where it was.

    Parameters
    ----------
    architecture : mapping
        Settings for `build_model`.
    data : TrainingData
        The task, on the device to train on.
    width : int
        Number of channels.
    settings : TrainingSettings
        The training section of the study.
    code : str
        Digest of the code that trains.
    checkpoints : Checkpoints
        Where members are kept.

    Raises
    ------
    ValueError
        The architecture cannot be built or run, or breaks the contract of all models.
    """
    try:
        model = initial_model(architecture, width=width, length=data.length, seed=settings.seeds[0])
        check_contract(model, length=data.length)
    except Exception as error:  # whatever a user's own code raises
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ValueError(
            f"architecture {architecture['model']}, width {width}: {kind}{error}"
        ) from error
    common = {
        "architecture": dict(architecture),
        "width": width,
        "settings": settings.model_dump(
            exclude={"learning_rates", "seeds", "device", "checkpoints"}
        ),
        "data": _fingerprint(data),
        "code": code,
        "torch": package_versions().get("torch"),
        "device": data.x.device.type,
    }
    members = {}
    for learning_rate in settings.learning_rates:
        for seed in settings.seeds:
            key = member_key({**common, "learning_rate": learning_rate, "seed": seed})
            found = checkpoints.load(learning_rate, seed, key)
            if found is None or not found.finished:
                run = Run(
                    architecture,
                    data,
                    width=width,
                    learning_rate=learning_rate,
                    seed=seed,
                    settings=settings,
                    progress=found,
                )
                save = functools.partial(checkpoints.save, learning_rate, seed, key)
                found = train_member(run, save=save)
                checkpoints.save(learning_rate, seed, key, found)
                how = "trained"
            else:
                how = "found finished"
            fate = f"diverged at step {found.diverged_step}" if found.diverged_step >= 0 else "ok"
            log.info(
                "learning rate %g, seed %d: %s, %s, validation error %.3g at step %d, %.1f s",
                *(learning_rate, seed, how, fate, found.best_error, found.best_step, found.seconds),
            )
            members[learning_rate, seed] = found
    return Cell(
        members=members,
        parameters=sum(p.numel() for p in model.parameters()),
        state_size=model.state_size,
        receptive_field=model.receptive_field,
        linear=model.linear,
    )


def _fingerprint(data: TrainingData) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for tensor in (data.x, data.y, data.x_validation, data.y_validation):
        digest.update(tensor.cpu().numpy().tobytes())
    digest.update(json.dumps([data.scored_from, data.variance]).encode())
    return digest.hexdigest()
