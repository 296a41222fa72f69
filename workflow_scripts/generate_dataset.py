"""Write the dataset of one kernel and rho."""

from mfbench.study.task import TaskSettings
from mfbench.tasks.datasets import write_dataset
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
write_dataset(
    snakemake.output[0],
    settings=TaskSettings.model_validate(snakemake.params.settings["task"]),
    family=snakemake.params.family,
    kernel=snakemake.wildcards.kernel,
    rho=float(snakemake.wildcards.rho),
)
