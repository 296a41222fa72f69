"""Memory and time that jobs ask a cluster for: `resources:` of the rules.

The constants are fitted to what was measured on two cores (x86, one thread per job, torch 2.13):
the benchmark records of the default study, and single jobs at up to T = 4096, width 256, seven
layers and batches of 256; `tests/workflow/test_resources.py` has the measurements. Requests cover
all of them and are about three times the memory at most; time is for nodes several times slower.
The attempt n of a job asks for n times as much.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from mfbench.study.study import Study
from mfbench.study.training import VALIDATION_BATCH
from mfbench.workflow.packs import levels_of

# MB. A job is two Snakemakes of up to 170 MB each, which wait while its script runs, and the
# script: 150 MB (numpy, xarray), 390 MB (altair and its renderer) or 350 MB (torch), and its data.
_NUMPY, _ALTAIR, _TORCH = 700, 1200, 900
# The libraries and the context of CUDA in the memory of the host. Not measured on a GPU yet.
_CUDA = 3000
_MB = 1e6
_FLOAT = 4  # bytes
# Minutes. What most sites allow: training that takes longer goes on from its checkpoint.
_DAY = 1440
# Minutes for starting Python from a network file system, and for whatever is not counted.
_START = 10
# Seconds. What one core trains in it makes one job under `training.cells_per_job: auto`.
_LONG_JOB = 2 * 3600
# How many times faster than a core a GPU trains, at the least (benchmarks/).
_GPU = 100
# How much slower nodes may be, and jobs that share them, than the machine of the measurements.
_SLOWER = 4


class Wildcards(Protocol):
    """Snakemake's wildcards of a job, or a dictionary."""

    def get(self, key: str, default: str, /) -> str:
        """The value of a wildcard."""


Request = Callable[[Wildcards, int], int]
"""The value of a resource, by the job's wildcards and the attempt, from 1."""


def training_memory(study: Study) -> Request:
    """MB of a training job."""
    training, task = study.training, study.task
    data = 2.5 * _sequences(study, task.sequences.train + task.sequences.validation)
    members = len(training.learning_rates) * len(training.seeds)
    # An ensemble of mfbench's own choice lies in the memory of a GPU, or in the caches of a CPU.
    together = 1 if training.ensemble_size == "auto" else training.ensemble_size
    channels, layers = _channels(study), _layers(study)
    base = _TORCH + (_CUDA if training.device != "cpu" else 0)

    def request(wildcards: Wildcards, attempt: int) -> int:
        name = wildcards.get("architecture", "")
        c = channels(name, wildcards)
        # Validation keeps up to 22 tensors (B, T, C) at once; a step keeps up to 10 of each layer.
        tensors = 24 * VALIDATION_BATCH + 12 * layers[name] * training.batch_size
        cells = _cells(wildcards)
        ensemble = min(together, cells * members)
        at_work = ensemble * tensors * task.length * c * _FLOAT / _MB
        # Weights with the best ones, curves and learned memory functions.
        numbers = 16 * layers[name] * c**2 + training.steps + training.validations * task.length
        kept = cells * (data + members * 2 * numbers * _FLOAT / _MB)
        return math.ceil(base + at_work + kept) * attempt

    return request


def training_runtime(study: Study) -> Request:
    """Minutes of a training job, at most a day: it goes on where it was when it is tried again."""
    cell = cell_seconds(study)

    def request(wildcards: Wildcards, attempt: int) -> int:
        seconds = _cells(wildcards) * cell(wildcards)
        return min(_DAY, _minutes(seconds) * attempt)

    return request


def cell_seconds(study: Study) -> Callable[[Wildcards], float]:
    """Seconds that the members of a cell take, by architecture and width.

    On a core, unless the study asks for a GPU: a plan does not know what `auto` will find.
    """
    training = study.training
    members = len(training.learning_rates) * len(training.seeds)
    channels, layers = _channels(study), _layers(study)

    def seconds(wildcards: Wildcards) -> float:
        name = wildcards.get("architecture", "")
        numbers = study.task.length * channels(name, wildcards) * layers[name] * training.batch_size
        # 20 ms at T = 128, width 16, batch 16 for the slowest (attention); 0.9 s at 256, 64, 64.
        step = 0.005 + 9e-7 * numbers
        return members * training.steps * step / (_GPU if training.device == "cuda" else 1)

    return seconds


def levels_per_job(study: Study) -> Callable[[Wildcards], int]:
    """Most levels of a group in one training job, by architecture and width.

    It follows from the study alone, so that every machine plans the same jobs.
    """
    size, cell = study.training.cells_per_job, cell_seconds(study)

    def most(wildcards: Wildcards) -> int:
        return max(1, int(_LONG_JOB / cell(wildcards))) if size == "auto" else size

    return most


def evaluation_memory(study: Study) -> Request:
    """MB of a job that evaluates all levels of a group, one after the other."""
    task, settings = study.task, study.evaluation
    longer = max(settings.length_factors) * settings.length_sequences
    sequences = max(settings.batch_size, longer)
    members = len(study.training.learning_rates) * len(study.training.seeds)
    channels, layers = _channels(study), _layers(study)
    base = _TORCH + 2.5 * _sequences(study, task.sequences.test)

    def request(wildcards: Wildcards, attempt: int) -> int:
        name = wildcards.get("architecture", "")
        c = channels(name, wildcards)
        # Jacobians keep what all layers leave for the backward pass.
        tensors = (32 + 16 * layers[name]) * sequences
        at_work = tensors * task.length * c * _FLOAT / _MB
        kept = _levels(study, wildcards) * members * _of_a_member(study)
        return math.ceil(base + at_work + kept) * attempt

    return request


def evaluation_runtime(study: Study) -> Request:
    """Minutes of a job that evaluates all levels of a group."""
    task = study.task
    members = len(study.training.learning_rates) * len(study.training.seeds)
    channels, layers = _channels(study), _layers(study)

    def request(wildcards: Wildcards, attempt: int) -> int:
        name = wildcards.get("architecture", "")
        numbers = task.length * channels(name, wildcards) * layers[name]
        # 0.6 s for a member at T = 128, width 16 and 512 sequences; 50 s at T = 256, width 64, 256
        # sequences and four layers of attention.
        member = 0.3 + 1e-6 * numbers * (task.sequences.test + study.evaluation.batch_size)
        # A model of a state size that the study's floors leave out has its own computed.
        floor = _floor_seconds(task.length, [min(task.length, 256) // 2])
        seconds = _levels(study, wildcards) * (members * member + floor)
        return min(_DAY, _minutes(seconds)) * attempt  # it starts anew, so retries may last days

    return request


def floor_memory(study: Study) -> Request:
    """MB of the floors of one task."""
    numbers = 20 * study.task.length**2  # 157 MB in all at T = 512: some matrices (T, T) of float64
    return _constant(_NUMPY + 8 * numbers / _MB)


def floor_runtime(study: Study) -> Request:
    """Minutes of the floors of one task."""
    return _constant(_minutes(_floor_seconds(study.task.length, study.floors.state_sizes)))


def dataset_memory(study: Study) -> Request:
    """MB of a dataset. It is written in blocks; how much HDF5 keeps of it differs."""
    sequences = study.task.sequences
    total = sequences.train + sequences.validation + sequences.test
    return _constant(_NUMPY + 1.5 * _sequences(study, total))


def cube_memory(study: Study) -> Request:
    """MB of what holds the whole cube of the study: figures, the report."""
    slabs = sum(_slab(study, name) for name in study.architectures)
    return _constant(_ALTAIR + 4 * slabs)


def assembly_memory(study: Study) -> Request:
    """MB of putting cubes together, which holds one architecture at a time."""

    def request(wildcards: Wildcards, attempt: int) -> int:
        name = wildcards.get("architecture", "")
        names = [name] if name else list(study.architectures)
        largest = max(_slab(study, name) for name in names)
        return math.ceil(_NUMPY + 4 * largest) * attempt

    return request


def fixed(amount: int) -> Request:
    """The same for all jobs of a rule, times the attempt."""
    return _constant(amount)


def _constant(amount: float) -> Request:
    def request(wildcards: Wildcards, attempt: int) -> int:
        del wildcards
        return math.ceil(amount) * attempt

    return request


def _minutes(seconds: float) -> int:
    return _START + math.ceil(_SLOWER * seconds / 60)


def _sequences(study: Study, count: int) -> float:
    """MB of the inputs and targets of some sequences."""
    return 2 * count * study.task.length * _FLOAT / _MB


def _slab(study: Study, architecture: str) -> float:
    """MB of an architecture's part of the cube, in which all kernels have as many levels."""
    added = study.refine.levels if study.refine else 0
    levels = max(len(study.levels(kernel)) for kernel in study.kernels) + added
    groups = len(study.architectures[architecture].widths) * len(study.kernels)
    members = len(study.training.learning_rates) * len(study.training.seeds)
    return groups * levels * members * _of_a_member(study)


def _of_a_member(study: Study) -> float:
    """MB of a member in the cube: functions of lag or time, one of them at each validation."""
    return (study.training.validations * _FLOAT + 6 * 8) * study.task.length / _MB


def _floor_seconds(length: int, state_sizes: list[int]) -> float:
    # Airy, the slowest: 27 s at T = 128 with state sizes up to 64, 195 s at T = 256 up to 128.
    return 4e-5 * length * sum(n**2 for n in state_sizes)


def _cells(wildcards: Wildcards) -> int:
    """Levels in a training job."""
    return len(levels_of(wildcards.get("pack", "")))


def _levels(study: Study, wildcards: Wildcards) -> int:
    added = study.refine.levels if study.refine else 0
    return len(study.levels(wildcards.get("kernel", ""))) + added


def _layers(study: Study) -> dict[str, int]:
    return {name: entry.resolved()["layers"] for name, entry in study.architectures.items()}


def _channels(study: Study) -> Callable[[str, Wildcards], int]:
    """Channels of the widest tensors: the width, or the state of a recurrence in parallel form."""
    states = {
        name: max(16, entry.resolved()["options"].get("state", 0))
        for name, entry in study.architectures.items()
    }
    return lambda name, wildcards: max(states[name], int(wildcards.get("width", "0")))
