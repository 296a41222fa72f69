"""Judge all published predictions on the cube of a study."""

from mfbench.cube.read import open_benchmark
from mfbench.predictions.scoreboard import judge_predictions, write_scoreboard
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
cube = open_benchmark(snakemake.input[0], made_for=snakemake.params.settings)
write_scoreboard(judge_predictions(cube), **snakemake.output)
