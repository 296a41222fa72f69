"""Write the levels that a second pass adds around each failure boundary."""

import json

from mfbench.cubes import open_benchmark
from mfbench.refinement import refined_levels
from mfbench.storage import write_text
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
added = refined_levels(open_benchmark(snakemake.input[0]), levels=snakemake.params.levels)
write_text(snakemake.output[0], json.dumps(added, indent=1, sort_keys=True) + "\n")
