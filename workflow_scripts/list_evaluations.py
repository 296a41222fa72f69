"""List the evaluations of a phase."""

from mfbench.files import write_json
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
write_json(snakemake.output[0], {"files": list(snakemake.input)})
