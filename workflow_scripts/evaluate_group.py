"""Evaluate all levels of one (architecture, width, kernel)."""

from mfbench.config.evaluation import EvaluationSettings
from mfbench.evaluation.group import CellFiles, evaluate_group, write_evaluation
from mfbench.training.device import prepare_process
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
prepare_process(threads=snakemake.threads)
settings = snakemake.params.settings
names = snakemake.wildcards
group = evaluate_group(
    settings["architecture"],
    [
        CellFiles(*files)
        for files in zip(
            snakemake.input.datasets,
            snakemake.input.floors,
            snakemake.input.records,
            snakemake.input.weights,
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
