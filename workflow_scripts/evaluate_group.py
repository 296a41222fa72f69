"""Evaluate all levels of one (architecture, width, kernel)."""

from mfbench.evaluation.group import evaluate_group, write_evaluation
from mfbench.evaluation.inputs import pack_files, task_files
from mfbench.study.evaluation import EvaluationSettings
from mfbench.training.device import choose_device, memory_share, prepare_process
from mfbench.workflow.job import start_job

start_job(snakemake.log[0], inputs=snakemake.input)
prepare_process(threads=snakemake.threads)
settings = snakemake.params.settings
device = choose_device(snakemake.resources.device)
names = snakemake.wildcards
group = evaluate_group(
    settings["architecture"],
    task_files(
        snakemake.input.datasets,
        snakemake.input.floors,
        task=settings["task"],
        kernel=names.kernel,
    ),
    pack_files(
        snakemake.input.records,
        snakemake.input.weights,
        settings=settings,
        names=dict(names.items()),
    ),
    width=settings["width"],
    settings=EvaluationSettings.model_validate(settings["evaluation"]),
    device=device,
    share=memory_share(device, snakemake.resources.jobs_per_gpu),
    keep_going=snakemake.resources.keep_going == "yes",
)
write_evaluation(
    snakemake.output[0],
    group,
    resolved={**settings, "architecture_name": names.architecture, "kernel": names.kernel},
    title=f"mfbench evaluation: {names.architecture}, width {names.width}, {names.kernel}",
)
