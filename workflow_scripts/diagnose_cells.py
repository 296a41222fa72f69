"""Write the runs that look for the cause of each failure."""

from mfbench.cube.diagnosis import diagnosed_cells
from mfbench.cube.read import open_benchmark
from mfbench.files import write_json
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
cube = open_benchmark(snakemake.input[0], made_for=snakemake.params.settings)
write_json(snakemake.output[0], {"groups": diagnosed_cells(cube, **snakemake.params.diagnose)})
