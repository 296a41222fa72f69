"""Put the evaluations of a study together to one cube."""

from mfbench.cube.assemble import assemble_cube
from mfbench.workflow.job import start_job

start_job(snakemake.log[0], inputs=snakemake.input)
assemble_cube(
    snakemake.output[0],
    snakemake.input.evaluations,
    architectures=snakemake.params.architectures,
    kernels=snakemake.params.kernels,
    study=snakemake.params.settings,
)
