"""Put what there is of a study's architectures together to one cube."""

from mfbench.cube.benchmark import assemble_benchmark
from mfbench.files import read_json
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
files = snakemake.params.get("files")  # what there is of an unfinished study
partial = files is not None
listing = snakemake.input.get("added")
assemble_benchmark(
    snakemake.output[0],
    files if partial else snakemake.input.architectures,
    architectures=snakemake.params.architectures,
    kernels=snakemake.params.kernels,
    resolved=snakemake.params.settings,
    added=read_json(listing)["files"] if listing else snakemake.params.get("added", []),
    partial=partial,
)
