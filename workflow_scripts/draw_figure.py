"""Draw one figure of a cube in all formats."""

from mfbench.cubes import open_benchmark
from mfbench.figures.export import draw, write_figure
from mfbench.workflow.job import start_job

start_job(snakemake.log[0], inputs=snakemake.input)
cube = open_benchmark(snakemake.input[0], made_for=snakemake.params.settings)
write_figure(draw(snakemake.wildcards.figure, cube), snakemake.output)
