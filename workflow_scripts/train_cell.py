"""Train all members of one cell and write their record and weights."""

import torch

from mfbench.config.training import TrainingSettings
from mfbench.datasets import read_dataset
from mfbench.training.cell import train_cell
from mfbench.training.checkpoints import Checkpoints
from mfbench.training.device import choose_device, describe_device, prepare_process
from mfbench.training.member import TrainingData
from mfbench.training.record import write_training, write_weights
from mfbench.workflow.job import start_job

start_job(snakemake.log[0], inputs=snakemake.input)
prepare_process(threads=snakemake.threads)
device = choose_device(snakemake.resources.device)
settings = TrainingSettings.model_validate(
    {
        **snakemake.params.settings["training"],
        "device": snakemake.resources.device,
        "checkpoints": {"minutes": float(snakemake.resources.checkpoint_minutes)},
    }
)
names = dict(snakemake.wildcards.items())
task = read_dataset(
    snakemake.input.dataset,
    splits=("train", "validation"),
    made_for={
        "kernel": names["kernel"],
        "rho": names["rho"],
        "task": snakemake.params.settings["task"],
    },
)
arrays = (task.x["train"], task.y["train"], task.x["validation"], task.y["validation"])
cell = train_cell(
    snakemake.params.settings["architecture"],
    TrainingData(
        *(torch.from_numpy(a).to(device) for a in arrays),
        scored_from=task.scored_from,
        variance=task.variance,
    ),
    width=snakemake.params.settings["width"],
    settings=settings,
    code=snakemake.params.code,
    checkpoints=Checkpoints(snakemake.params.checkpoints),
)
about = {
    "resolved": {**snakemake.params.settings, "cell": names},
    "title": "mfbench training: {architecture}, width {width}, {kernel}, rho = {rho}".format(
        **names
    ),
}
write_weights(snakemake.output.weights, cell, **about)
write_training(
    snakemake.output.record, cell, settings=settings, device=describe_device(device), **about
)
