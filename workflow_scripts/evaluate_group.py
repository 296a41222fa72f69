"""Evaluate all levels of one (architecture, width, kernel)."""

from pathlib import Path

from mfbench.config.evaluation import EvaluationSettings
from mfbench.evaluation.group import CellFiles, evaluate_group, write_evaluation
from mfbench.training.device import prepare_process
from mfbench.workflow.job import start_job

start_job(snakemake.log[0], inputs=snakemake.input)
prepare_process(threads=snakemake.threads)
settings = snakemake.params.settings
names = snakemake.wildcards
common = {"kernel": names.kernel, "task": settings["task"]}
trained = {key: settings[key] for key in ("task", "architecture", "width", "training")}


def cell_of(rho):
    """What the record and the weights of one level were made with."""
    return {**trained, "cell": {**dict(names.items()), "rho": rho}}


group = evaluate_group(
    settings["architecture"],
    [
        CellFiles(*files, task={**common, "rho": rho}, cell=cell_of(rho))
        for *files, rho in zip(
            snakemake.input.datasets,
            snakemake.input.floors,
            snakemake.input.records,
            snakemake.input.weights,
            [Path(dataset).stem.removeprefix("rho=") for dataset in snakemake.input.datasets],
            strict=True,
        )
    ],
    width=settings["width"],
    settings=EvaluationSettings.model_validate(settings["evaluation"]),
)
write_evaluation(
    snakemake.output[0],
    group,
    resolved={**settings, "architecture_name": names.architecture, "kernel": names.kernel},
    title=f"mfbench evaluation: {names.architecture}, width {names.width}, {names.kernel}",
)
