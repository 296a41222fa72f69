"""Write the runs that the study keeps after its pilot."""

from mfbench.files import write_json
from mfbench.training.pilot import cells_after_pilot
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
groups = cells_after_pilot(snakemake.input, **snakemake.params.study, keep=snakemake.params.keep)
write_json(snakemake.output[0], {"groups": groups})
