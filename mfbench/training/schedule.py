"""Schedules of the learning rate and of validations."""

from __future__ import annotations

import math

import numpy as np

from mfbench.study.training import Schedule


def learning_rate_factor(step: int, *, steps: int, schedule: Schedule) -> float:
    """Learning rate at a step (from 0) out of `steps`, as a share of its peak.

    Rises linearly during the warm-up and then stays constant or follows a cosine down to `final`,
    as in Loshchilov & Hutter (2016), arXiv 1608.03983, without restarts.
    """
    warm_up = round(schedule.warm_up * steps)
    if step < warm_up:
        return (step + 1) / warm_up
    if schedule.name == "constant":
        return 1.0
    progress = (step - warm_up) / max(1, steps - warm_up - 1)
    return schedule.final + (1 - schedule.final) * (1 + math.cos(math.pi * progress)) / 2


def validation_steps(steps: int, count: int) -> list[int]:
    """At most `count` steps from 1 to `steps`, evenly spaced in log(step), both ends included."""
    return np.unique(np.geomspace(1, steps, count if count > 1 else 2).round().astype(int)).tolist()
