"""Evaluate all levels of one (architecture, width, kernel)."""

from mfbench.evaluation.group import evaluate_group, write_evaluation
from mfbench.evaluation.inputs import read_trained
from mfbench.floors.netcdf import read_floors
from mfbench.study.evaluation import EvaluationSettings
from mfbench.tasks.datasets import read_dataset
from mfbench.training.device import choose_device, memory_share, prepare_process
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
prepare_process(threads=snakemake.threads)
settings = snakemake.params.settings
execution = settings["execution"]
numbers = {key: value for key, value in settings.items() if key != "execution"}
trained_with = {key: value for key, value in numbers.items() if key != "evaluation"}
# "auto", because a cluster may give this job no GPU, whatever the training requests.
device = choose_device("cpu" if execution["device"] == "cpu" else "auto")
files = zip(snakemake.input.datasets, snakemake.input.floors, strict=True)
group = evaluate_group(
    settings["architecture"],
    [
        (
            read_dataset(dataset, splits=("test",), task=settings["task"]),
            read_floors(floors, task=settings["task"]),
        )
        for dataset, floors in files
    ],
    read_trained(snakemake.input.records, snakemake.input.weights, made_with=trained_with),
    width=settings["width"],
    settings=EvaluationSettings.model_validate(settings["evaluation"]),
    device=device,
    share=memory_share(device, execution["jobs_per_gpu"]),
    stop=execution["broken"] == "stop",
)
names = dict(snakemake.wildcards.items()) | {"width": settings["width"]}
write_evaluation(
    snakemake.output[0],
    group,
    resolved={
        **numbers,
        "architecture_name": names["architecture"],
        "kernel": names["kernel"],
        "file": names,
    },
    title="mfbench evaluation: {architecture}, width {width}, {kernel}".format(**names),
)
