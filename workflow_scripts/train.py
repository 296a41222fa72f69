"""Train all members of some levels of a group and write their record and weights."""

from mfbench.files.paths import Paths, rho_text
from mfbench.study.training import TrainingSettings
from mfbench.tasks.datasets import read_dataset
from mfbench.training.cells import train_cells
from mfbench.training.data import TrainingData
from mfbench.training.device import (
    choose_device,
    describe_device,
    memory_share,
    prepare_process,
)
from mfbench.training.record import write_training, write_weights
from mfbench.training.run import Run, runs_of
from mfbench.workflow.job import start_job
from mfbench.workflow.job_state import job_state, wait_for_another

start_job(snakemake.log[0])
prepare_process(threads=snakemake.threads)
names = dict(snakemake.wildcards.items())
levels = snakemake.params.levels
settings = snakemake.params.settings
numbers = {key: value for key, value in settings.items() if key != "execution"}
training = TrainingSettings.model_validate(settings["training"] | settings["execution"])
paths = Paths(snakemake.params.results)
jobs = [paths.file("job", rho=rho, **names) for rho in levels]
wait_for_another(jobs)
with job_state(jobs, settings=numbers):
    device = choose_device(training.device)
    tasks = {}
    for path in snakemake.input.datasets:
        task = read_dataset(path, splits=("train", "validation"), task=settings["task"])
        tasks[task.rho] = TrainingData.of(task, device=device)
    trained = train_cells(
        settings["architecture"],
        tasks,
        width=settings["width"],
        settings=training,
        code=f"{snakemake.params.model}, {snakemake.params.code}",
        runs={
            rho: [Run(*run) for run in own] or runs_of(training)
            for rho, own in snakemake.params.runs.items()
        },
        checkpoints={rho: paths.file("checkpoints", rho=rho, **names) for rho in levels},
        share=memory_share(device, training.jobs_per_gpu),
    )
    file = names | {"width": int(names["width"]), "part": int(names["part"])}
    about = {
        "resolved": {**numbers, "file": file},
        "title": "mfbench training: {architecture}, width {width}, {kernel}, rho = ".format(**names)
        + ", ".join(map(rho_text, trained.cells)),
    }
    # The record comes last: once it exists, the job is finished.
    write_weights(snakemake.output.weights, trained, **about)
    write_training(
        snakemake.output.record,
        trained,
        settings=training,
        device=describe_device(device),
        **about,
    )
