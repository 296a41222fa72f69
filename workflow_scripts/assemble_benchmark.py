"""Assemble the evaluations of a study into one cube."""

from mfbench.cube.assemble import assemble_cube
from mfbench.files import read_json
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
added, diagnosis = (
    [path for listing in listings for path in read_json(listing)["files"]]
    for listings in (snakemake.input.added, snakemake.input.diagnosis)
)
assemble_cube(
    snakemake.output[0],
    [*snakemake.input.evaluations, *added],
    architectures=snakemake.params.architectures,
    kernels=snakemake.params.kernels,
    study=snakemake.params.settings,
    diagnosis=diagnosis,
)
