"""The study of this run, and the names that all stages share."""

import functools
import gc
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# In a clone, this process and its jobs import mfbench from there, whatever else is installed.
if (TREE := Path(workflow.basedir)).joinpath("mfbench").is_dir():
    sys.path.insert(0, str(TREE))

from mfbench.figures.order import FIGURES
from mfbench.files import BrokenFileError, read_json
from mfbench.files.paths import WILDCARDS, Paths
from mfbench.predictions.catalogue import predictions
from mfbench.study.document import StudyError, read_documents
from mfbench.study.study import LATER_PHASES, load_study
from mfbench.workflow.claim import check_claim, claim
from mfbench.workflow.code import kernel_digest, model_digest, stage_digest
from mfbench.workflow.gpus import gpu_slots, gpus_for
from mfbench.workflow.plan import (
    Listed,
    dataset_settings,
    evaluation_settings,
    floor_settings,
    levels_of_phase,
    parts,
    pilot_settings,
    study_settings,
    training_settings,
)
from mfbench.workflow.resources import levels_per_job, memory, runtime
from mfbench.workflow.snakefile import environment

os.environ.update(environment())

# A plan keeps millions of objects. Python would look for garbage among them after every 700 new
# ones, which takes a tenth of the planning time.
gc.set_threshold(200_000, 20, 100)

# mfbench reads these files again: Snakemake takes the last of two equal keys and reads 010 as 8.
STUDY_FILES = [os.path.relpath(f) for f in workflow.overwrite_configfiles] or [
    "config.yaml"
]
STUDY_FILE = " + ".join(STUDY_FILES)

try:
    STUDY = load_study(
        read_documents(STUDY_FILES, workflow.config_settings.config_args or [])
    )
    BUILT = STUDY.models
    check_claim(STUDY.results, STUDY_FILE)
except (StudyError, ValueError) as error:
    raise WorkflowError(str(error)) from None

PATHS = Paths(STUDY.results)
SETTINGS = study_settings(STUDY)
DATASET_SETTINGS = dataset_settings(STUDY)
FLOOR_SETTINGS = floor_settings(STUDY)
LEVELS_PER_JOB = levels_per_job(STUDY)
PHASES = STUDY.phases

# Once per model and not per job: a study has thousands of cells but few models.
MODELS = {(name, width) for name, width, _ in STUDY.groups()}
TRAINING_SETTINGS = {
    model: training_settings(STUDY, architecture=model[0], width=model[1])
    for model in MODELS
}
EVALUATION_SETTINGS = {
    model: evaluation_settings(STUDY, architecture=model[0], width=model[1])
    for model in MODELS
}
FAMILIES = {name: kernel.reference for name, kernel in STUDY.kernels.items()}
KERNEL_CODE = {name: kernel_digest(family, name) for name, family in FAMILIES.items()}
MODEL_CODE = {name: model_digest(model, name) for name, model in BUILT.items()}


# `changed`, the time of the phase's file, makes the cache read a new file.
@functools.lru_cache(maxsize=None)
def _levels_of_phase(phase, changed):
    cells = read_json(PATHS.file("cells", phase=phase)) if changed else None
    return levels_of_phase(STUDY, cells)


def levels_of(phase):
    """The levels of each group in a phase; those after the first depend on results."""
    if phase == PHASES[0]:
        return _levels_of_phase(phase, None)
    chosen_by = "pilot" if phase == "study" else phase
    file = getattr(checkpoints, chosen_by).get().output[0]
    try:
        return _levels_of_phase(phase, os.stat(file).st_mtime_ns)
    except BrokenFileError as error:
        raise WorkflowError(str(error)) from None


def model_of(wildcards):
    """The architecture and width of a job."""
    return wildcards.architecture, int(wildcards.width)


def levels_of_group(wildcards):
    """The levels of a job's group in its phase."""
    group = (*model_of(wildcards), wildcards.kernel)
    return levels_of(wildcards.phase).get(group, {})


def parts_of_group(wildcards):
    """The levels of each training job of a group."""
    most = LEVELS_PER_JOB(*model_of(wildcards), wildcards.phase)
    return parts(list(levels_of_group(wildcards)), most=most)


def each_level(kind, levels):
    """The files of a kind for some levels of a job's kernel."""
    return lambda wildcards: [
        PATHS.file(kind, kernel=wildcards.kernel, rho=rho) for rho in levels(wildcards)
    ]


def each_part(kind):
    """The files of a kind of all training jobs of a job's group."""
    return lambda wildcards: [
        PATHS.file(kind, part=i, **dict(wildcards.items()))
        for i in range(1, len(parts_of_group(wildcards)) + 1)
    ]


def evaluations_of(phase):
    """All evaluations of a phase."""
    return [
        PATHS.file("evaluation", phase=phase, architecture=a, width=w, kernel=k)
        for a, w, k in levels_of(phase)
    ]


def levels_of_part(wildcards):
    """The levels that a training job trains."""
    return parts_of_group(wildcards)[int(wildcards.part) - 1]


def runs_of_part(wildcards):
    """The runs of each level of a training job; an empty list means all runs of the study."""
    runs = levels_of_group(wildcards)
    return {rho: runs[rho] or [] for rho in levels_of_part(wildcards)}


def evaluations(wildcards):
    """The evaluations of the study's own levels, unless they depend on results."""
    return evaluations_of("study") if PHASES[0] == "study" else []


def evaluated(*phases):
    """The lists of evaluations of some phases, as far as they depend on results."""
    return [PATHS.file("evaluated", phase=p) for p in PHASES[1:] if p in phases]


def baselines_of(tasks):
    """The baselines of some (kernel, rho), each once."""
    return [
        PATHS.file("baselines", kernel=k, rho=rho) for k, rho in dict.fromkeys(tasks)
    ]


def added_baselines(wildcards):
    """The baselines of the levels of a later phase."""
    groups = levels_of(wildcards.phase).items()
    return baselines_of((group[2], rho) for group, levels in groups for rho in levels)


wildcard_constraints:
    **WILDCARDS,
