"""The study of this run, and the names that all stages share."""

import functools
import gc
import os
import re
import sys
import time

from snakemake.exceptions import WorkflowError

sys.path.insert(0, workflow.basedir)  # this tree, whatever else is installed

from mfbench.study.study import StudyError, load_study
from mfbench.figures.registry import FIGURES
from mfbench.predictions.registry import predictions
from mfbench.files import BrokenFileError, read_json
from mfbench.workflow.digest import architecture_digest, stage_digest
from mfbench.workflow.gpus import gpu_slots, gpus_for
from mfbench.workflow.run_lock import lock_parts, part_of
from mfbench.workflow.plan import (
    check_claim,
    claim,
    dataset_settings,
    evaluation_settings,
    floor_settings,
    study_settings,
    training_settings,
)
from mfbench.workflow.resources import (
    assembly_memory,
    cube_memory,
    dataset_memory,
    evaluation_memory,
    evaluation_runtime,
    fixed,
    floor_memory,
    floor_runtime,
    training_memory,
    training_runtime,
)

STARTED = time.time_ns()

# A plan is millions of objects that stay. To look for garbage among them every 700 new ones, as
# Python does, is a tenth of the time that it takes.
gc.set_threshold(200_000, 20, 100)

STUDY_FILE = " + ".join(os.path.relpath(f) for f in workflow.configfiles)

try:
    STUDY = load_study(config, origin=STUDY_FILE)
    check_claim(STUDY.results, STUDY_FILE)
except (StudyError, ValueError) as error:
    raise WorkflowError(str(error)) from None

RESULTS = STUDY.results
LEVELS = {kernel: [v.rho for v in STUDY.levels(kernel)] for kernel in STUDY.kernels}
GROUPS = STUDY.groups()
GROUPS_OF = {name: [] for name in STUDY.architectures}
for name, width, kernel in GROUPS:
    GROUPS_OF[name].append((width, kernel))

SETTINGS = study_settings(STUDY)

# Once per parse and not per job: a study has thousands of cells of a few models.
MODELS = {(name, width) for name, width, _ in GROUPS}
TRAINING_SETTINGS = {
    (name, str(width)): training_settings(STUDY, architecture=name, width=width)
    for name, width in MODELS
}
EVALUATION_SETTINGS = {
    (name, str(width)): evaluation_settings(STUDY, architecture=name, width=width)
    for name, width in MODELS
}
ARCHITECTURE_SETTINGS = {  # those that all its widths share
    name: {key: value for key, value in settings.items() if key != "width"}
    for (name, _), settings in EVALUATION_SETTINGS.items()
}
ARCHITECTURE_CODE = {
    name: architecture_digest(entry.model)
    for name, entry in STUDY.architectures.items()
}


def script_path(name):
    """Path of a workflow script, for its digest."""
    return os.path.join(workflow.basedir, "workflow_scripts", name)


def all_levels(pattern):
    """The files of a pattern for all levels of a kernel, from easy to hard."""
    return lambda wildcards: expand(
        pattern, **dict(wildcards), rho=LEVELS.get(wildcards.kernel, [])
    )


def evaluations_of(pattern):
    """The files of a pattern for all groups of an architecture."""
    return lambda wildcards: [
        pattern.format(architecture=wildcards.architecture, width=width, kernel=kernel)
        for width, kernel in GROUPS_OF.get(wildcards.architecture, [])
    ]


def evaluated(pattern):
    """The files of a pattern that there are."""
    files = [
        pattern.format(architecture=architecture, width=width, kernel=kernel)
        for architecture, width, kernel in GROUPS
    ]
    return [file for file in files if os.path.exists(file)]


@functools.lru_cache(maxsize=1)
def _refined(path, time):
    """The rho of the levels that the second pass adds, by architecture, width and kernel."""
    return {
        (group["architecture"], str(group["width"]), group["kernel"]): [
            level["rho"] for level in group["levels"]
        ]
        for group in read_json(path)["groups"]
    }


def refined():
    """The levels that the second pass adds, once the first one has run."""
    path = checkpoints.refine.get().output[0]
    try:
        return _refined(path, os.stat(path).st_mtime_ns)
    except BrokenFileError as error:
        raise WorkflowError(str(error)) from None


def group_levels(levels):
    """The settings of an architecture's cube: what its evaluations share, and their levels."""
    return lambda wildcards: {
        **ARCHITECTURE_SETTINGS[wildcards.architecture],
        "levels": levels(wildcards.architecture),
    }


def levels_in_study(architecture):
    """The rho of each group of an architecture."""
    return {
        f"{width}/{kernel}": LEVELS[kernel] for width, kernel in GROUPS_OF[architecture]
    }


def levels_refined(architecture):
    """The rho that the second pass adds to each group of an architecture."""
    return {
        f"{width}/{kernel}": rhos
        for (name, width, kernel), rhos in refined().items()
        if name == architecture
    }


def any_of(names):
    """The pattern of a wildcard that is one of these names."""
    return "|".join(map(re.escape, names))


def levels_added(wildcards):
    """The rho of the levels that the second pass adds to a group."""
    group = (wildcards.architecture, wildcards.width, wildcards.kernel)
    return refined().get(group, [])


def added_levels_of(pattern):
    """The files of a pattern for the levels that the second pass adds to a group."""
    return lambda wildcards: expand(
        pattern, **dict(wildcards), rho=levels_added(wildcards)
    )


def added_evaluations_of(pattern):
    """The files of a pattern for an architecture's groups to which the second pass adds levels."""
    return lambda wildcards: [
        pattern.format(architecture=architecture, width=width, kernel=kernel)
        for architecture, width, kernel in refined()
        if architecture == wildcards.architecture
    ]


def added_architectures(pattern):
    """The files of a pattern for the architectures to which the second pass adds levels."""
    return lambda wildcards: [
        pattern.format(architecture=name)
        for name in sorted({architecture for architecture, _, _ in refined()})
    ]


def lock_what_is_made():
    """Where Snakemake does not lock, keep other runs away from the parts of this one."""
    if workflow.execution_settings.lock:
        return
    made = list(workflow.dag.needrun_jobs())
    read = [before for job in made for before in workflow.dag.dependencies[job]]
    parts = [
        {part_of(job.rule.name, job.wildcards_dict) for job in jobs}
        for jobs in (made, read)
    ]
    lock_parts(RESULTS, parts[0], read=parts[1])
    outputs = [file for job in made for file in job.output]
    if late := newest_of(outputs, since=STARTED):
        raise ValueError(
            f"another run has made {late} since this one was planned: start this one again"
        )


def changed_at(file):
    """When a file was changed, 0 where there is none (any more)."""
    try:
        return os.stat(file).st_mtime_ns
    except FileNotFoundError:
        return 0


def newest(files):
    """The latest time of change of some files, 0 where there are none."""
    return max(map(changed_at, files), default=0)


def newest_of(files, since):
    """The file that was changed last, where that was after some time."""
    last = max(files, key=changed_at, default=None)
    return last if last and changed_at(last) > since else None


wildcard_constraints:
    architecture=r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    width=r"\d+",
    kernel=r"[a-z_0-9]+",
    rho=r"[0-9.e+-]+",
