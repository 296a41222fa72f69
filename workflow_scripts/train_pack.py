"""Train all members of the levels of one pack and write their record and weights."""

from mfbench.study.training import TrainingSettings
from mfbench.tasks.datasets import read_dataset, task_named
from mfbench.training.data import TrainingData
from mfbench.training.device import (
    choose_device,
    describe_device,
    memory_share,
    prepare_process,
)
from mfbench.training.pack import train_pack
from mfbench.training.record import write_training, write_weights
from mfbench.workflow.job import start_job
from mfbench.workflow.job_state import job_state, wait_for_another

start_job(snakemake.log[0], inputs=snakemake.input)
prepare_process(threads=snakemake.threads)
wait_for_another(snakemake.params.state)
with job_state(snakemake.params.state, settings=snakemake.params.settings):
    device = choose_device(snakemake.resources.device)
    settings = TrainingSettings.model_validate(
        {
            **snakemake.params.settings["training"],
            "device": snakemake.resources.device,
            "ensemble_size": snakemake.resources.ensemble_size,
            "checkpoints": {"minutes": float(snakemake.resources.checkpoint_minutes)},
            "jobs_per_gpu": snakemake.resources.jobs_per_gpu,
        }
    )
    names = dict(snakemake.wildcards.items())
    tasks = [
        read_dataset(
            path,
            splits=("train", "validation"),
            made_for=task_named(
                path, task=snakemake.params.settings["task"], kernel=names["kernel"]
            ),
        )
        for path in snakemake.input.datasets
    ]
    pack = train_pack(
        snakemake.params.settings["architecture"],
        {
            task.rho: TrainingData.of(
                task.x, task.y, scored_from=task.scored_from, variance=task.variance, device=device
            )
            for task in tasks
        },
        width=snakemake.params.settings["width"],
        settings=settings,
        code=snakemake.params.code,
        checkpoints=snakemake.params.checkpoints,
        keep_going=snakemake.resources.keep_going == "yes",
        share=memory_share(device, settings.jobs_per_gpu),
    )
    about = {
        "resolved": {**snakemake.params.settings, "pack": names},
        "title": "mfbench training: {architecture}, width {width}, {kernel}, rho = {rho}".format(
            **names, rho=", ".join(pack.cells)
        ),
    }
    # The record comes last: where it lies, the pack is finished.
    write_weights(snakemake.output.weights, pack, **about)
    write_training(
        snakemake.output.record, pack, settings=settings, device=describe_device(device), **about
    )
