"""Compute the baselines of one kernel and rho."""

from mfbench.baselines.netcdf import write_baselines
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
write_baselines(
    snakemake.output[0],
    dataset=snakemake.input.dataset,
    floors=snakemake.input.floors,
    task=snakemake.params.settings["task"],
    state_sizes=snakemake.params.states,
    kernel=snakemake.wildcards.kernel,
    rho=float(snakemake.wildcards.rho),
)
