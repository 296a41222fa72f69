"""Put the evaluations of a study together to one cube."""

from mfbench.cube.assemble import assemble_cube
from mfbench.files import read_json
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
added = [path for listing in snakemake.input.added for path in read_json(listing)["files"]]
assemble_cube(
    snakemake.output[0],
    [*snakemake.input.evaluations, *added],
    architectures=snakemake.params.architectures,
    kernels=snakemake.params.kernels,
    study=snakemake.params.settings,
)
