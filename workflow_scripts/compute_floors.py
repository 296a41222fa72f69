"""Compute the floors of one kernel and rho."""

from mfbench.floors.netcdf import write_floors
from mfbench.study.task import FloorSettings, TaskSettings
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
settings = snakemake.params.settings
write_floors(
    snakemake.output[0],
    task=TaskSettings.model_validate(settings["task"]),
    settings=FloorSettings.model_validate(settings["floors"]),
    family=snakemake.params.family,
    kernel=snakemake.wildcards.kernel,
    rho=float(snakemake.wildcards.rho),
)
