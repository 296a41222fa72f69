"""Put the evaluation files of one architecture together to one file."""

from mfbench.cube.architecture import assemble_architecture
from mfbench.workflow.job import start_job

start_job(snakemake.log[0], inputs=snakemake.input)
assemble_architecture(snakemake.output[0], snakemake.input, resolved=snakemake.params.settings)
