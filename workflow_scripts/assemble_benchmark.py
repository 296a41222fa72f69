"""Put evaluation files together to one cube."""

from pathlib import Path

from mfbench.cubes import assemble_benchmark, write_benchmark
from mfbench.failure import boundary_variables
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
listing = snakemake.input.get("added")
added = Path(listing).read_text(encoding="utf-8").splitlines() if listing else []
cube = assemble_benchmark(
    snakemake.params.files,
    architectures=snakemake.params.architectures,
    kernels=snakemake.params.kernels,
    resolved=snakemake.params.settings,
    added=added or snakemake.params.added,
)
write_benchmark(snakemake.output[0], cube.merge(boundary_variables(cube)))
