"""Put evaluation files together to one cube."""

from mfbench.cubes import assemble_benchmark, write_benchmark
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
cube = assemble_benchmark(
    snakemake.params.files,
    architectures=snakemake.params.architectures,
    kernels=snakemake.params.kernels,
    resolved=snakemake.params.settings,
)
write_benchmark(snakemake.output[0], cube)
