"""Put evaluation files together to one cube."""

from mfbench.cubes import assemble_benchmark, write_benchmark
from mfbench.failure import boundary_variables
from mfbench.storage import read_json
from mfbench.workflow.job import start_job

start_job(snakemake.log[0], inputs=snakemake.input)
listing = snakemake.input.get("added")
added = read_json(listing)["files"] if listing else []
cube = assemble_benchmark(
    snakemake.params.files,
    architectures=snakemake.params.architectures,
    kernels=snakemake.params.kernels,
    resolved=snakemake.params.settings,
    added=added or snakemake.params.added,
)
write_benchmark(snakemake.output[0], cube.merge(boundary_variables(cube)))
