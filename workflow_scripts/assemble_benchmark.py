"""Assemble the evaluations of a study into one cube."""

from mfbench.cube.assemble import assemble_cube
from mfbench.files import read_json
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
# The cubes before a later phase have no baselines: no phase needs them.
added, diagnosis, baselines = (
    [path for listing in listings for path in read_json(listing)["files"]]
    for listings in (
        snakemake.input.added,
        snakemake.input.diagnosis,
        snakemake.input.get("added_baselines", []),
    )
)
assemble_cube(
    snakemake.output[0],
    [*snakemake.input.evaluations, *added],
    architectures=snakemake.params.architectures,
    kernels=snakemake.params.kernels,
    study=snakemake.params.settings,
    diagnosis=diagnosis,
    baselines=[*snakemake.input.get("baselines", []), *baselines],
)
