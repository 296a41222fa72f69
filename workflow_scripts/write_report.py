"""Draw all figures of a cube and write the report of its study."""

from pathlib import Path

from mfbench.cube.read import open_benchmark
from mfbench.figures.export import write_figures
from mfbench.report.page import write_report
from mfbench.workflow.job import start_job

start_job(snakemake.log[0])
cube = open_benchmark(snakemake.input[0], made_for=snakemake.params.settings)
figures = write_figures(Path(snakemake.output.figures[0]).parent, cube)
write_report(snakemake.output.report, cube=cube, figures=figures)
