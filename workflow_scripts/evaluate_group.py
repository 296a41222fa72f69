"""Evaluate all levels of one (architecture, width, kernel)."""

from mfbench.config.evaluation import EvaluationSettings
from mfbench.evaluation.group import PackFiles, TaskFiles, evaluate_group, write_evaluation
from mfbench.training.device import prepare_process
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
prepare_process(threads=snakemake.threads)
settings = snakemake.params.settings
names = snakemake.wildcards
group = evaluate_group(
    settings["architecture"],
    list(map(TaskFiles, snakemake.input.datasets, snakemake.input.floors)),
    list(map(PackFiles, snakemake.input.records, snakemake.input.weights)),
    width=settings["width"],
    settings=EvaluationSettings.model_validate(settings["evaluation"]),
    keep_going=snakemake.resources.keep_going == "yes",
)
write_evaluation(
    snakemake.output[0],
    group,
    resolved={**settings, "architecture_name": names.architecture, "kernel": names.kernel},
    title=f"mfbench evaluation: {names.architecture}, width {names.width}, {names.kernel}",
)
