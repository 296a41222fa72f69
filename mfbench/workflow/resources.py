"""Memory and time that jobs ask a cluster for: a few constants, and the sizes of the study.

The attempt n of a job asks for n times as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from mfbench.study.study import Study

# MB of a job without its data (Python, Snakemake and libraries), and minutes. Training goes on from
# its checkpoints, the others start again.
_BASE = {
    "dataset": (1000, 60),
    "floors": (1000, 360),
    "baselines": (1000, 360),
    "training": (1500, 1440),
    "evaluation": (2000, 360),
    "cube": (1500, 60),
}
_CUDA = 3000  # MB of the host that CUDA's libraries take; not measured
_LAYERS = 4  # of a whole model, whose depth is unknown
_TENSORS = 40  # of (batch, T, channels) that a layer keeps for its gradient, at most
_MB_OF_A_FLOAT = 4e-6
# With `training.cells_per_job: auto`, a job gets as much as one core trains in so many seconds.
_LONG_JOB = 2 * 3600
_GPU = 100  # how many times a GPU is faster than a core, at least (benchmarks/)

Request = Callable[[Mapping[str, str], int], int]
"""The value of a resource, by the job's wildcards and the attempt, from 1."""


def memory(study: Study, stage: str) -> Request:
    """MB of a job of a stage.

    Parameters
    ----------
    study : Study
    stage : {"dataset", "floors", "baselines", "training", "evaluation", "cube"}
    """
    task, training, evaluation = study.task, study.training, study.evaluation
    sequences = task.sequences.train + task.sequences.validation + task.sequences.test
    members = len(training.steps) * len(training.learning_rates) * len(training.seeds)
    levels = max(len(study.levels(kernel)) for kernel in study.kernels)
    data = 3 * (1 + task.channels) * sequences * task.length
    of_a_member = task.length * (training.validations + 12)  # functions of lag and time
    batches = {
        "training": training.batch_size
        * (1 if training.ensemble_size == "auto" else training.ensemble_size),
        "evaluation": max(
            evaluation.batch_size, max(evaluation.length_factors) * evaluation.length_sequences
        ),
    }
    added = study.refine.levels if study.refine else 0
    largest = max(
        len(study.widths(name)) * len(study.kernels) * (levels + added)
        for name in study.architectures
    )

    sizes = _sizes(study)

    def request(wildcards: Mapping[str, str], attempt: int) -> int:
        numbers = 0
        if stage == "dataset":
            numbers = data
        elif stage == "floors":
            numbers = 100 * task.length**2
        elif stage == "baselines":  # the products of all lags, in double precision
            numbers = 2 * data + 100 * task.length**2 + 30 * (task.channels * task.length) ** 2
        elif stage == "cube":
            numbers = 10 * largest * members * of_a_member
        else:
            channels, layers = sizes[wildcards["architecture"], int(wildcards["width"])]
            numbers = levels * (data + members * of_a_member)
            numbers += _TENSORS * layers * batches[stage] * task.length * channels
        base = _BASE[stage][0] + (_CUDA if training.device != "cpu" and stage in batches else 0)
        return math.ceil(base + numbers * _MB_OF_A_FLOAT) * attempt

    return request


def runtime(stage: str) -> Request | int:
    """Minutes of a job of a stage: a day at most, which training asks for from the start."""
    limit = _BASE["training"][1]
    if stage == "training":
        return limit  # a number, because Snakemake calls a function for each of thousands of jobs

    def request(wildcards: Mapping[str, str], attempt: int) -> int:
        del wildcards
        return min(limit, _BASE[stage][1] * attempt)

    return request


def levels_per_job(study: Study) -> Callable[[str, int, str], int]:
    """Most levels of a group in one training job, by architecture, width and phase.

    It follows from the study alone, so that every machine plans the same jobs.
    """
    training = study.training
    seeds = len(training.seeds)
    rates = study.pilot.keep if study.pilot else len(training.learning_rates)
    steps = rates * seeds * sum(training.steps)  # of a level
    diagnosing = 0
    if found := study.diagnose:
        runs = seeds * (2 * found.steps + found.learning_rates) + found.seeds
        diagnosing = runs * max(training.steps)
    sizes = _sizes(study)

    def most(architecture: str, width: int, phase: str) -> int:
        if training.cells_per_job != "auto":
            return training.cells_per_job
        channels, layers = sizes[architecture, width]
        # 20 ms at T = 128, width 16, batch 16 for the slowest (attention).
        step = 0.005 + 9e-7 * study.task.length * channels * layers * training.batch_size
        seconds = (diagnosing if phase == "diagnose" else steps) * step
        seconds /= _GPU if training.device == "cuda" else 1
        return max(1, int(_LONG_JOB / seconds))

    return most


def _sizes(study: Study) -> dict[tuple[str, int], tuple[int, int]]:
    """Channels of the widest tensors, the width or the state of a recurrence, and layers.

    By architecture and width, once: a plan has thousands of jobs of a few models.
    """
    sizes: dict[tuple[str, int], tuple[int, int]] = {}
    for name, model in study.models.items():
        settings = model.settings
        state = settings["options"].get("state")
        layers = settings.get("layers", _LAYERS)
        least = max(16, state if isinstance(state, int) else 0)
        sizes |= {(name, width): (max(least, width), layers) for width in study.widths(name)}
    return sizes
