"""Write the levels that a second phase adds around each failure boundary."""

from mfbench.cube.read import open_benchmark
from mfbench.cube.refinement import refined_levels
from mfbench.files import write_json
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
cube = open_benchmark(snakemake.input[0], made_for=snakemake.params.settings)
added = refined_levels(cube, levels=snakemake.params.levels)
write_json(snakemake.output[0], {"groups": added})
