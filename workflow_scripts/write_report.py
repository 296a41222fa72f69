"""Write the report of a study as one page."""

from mfbench.cubes import open_benchmark
from mfbench.report.page import write_report
from mfbench.workflow.job import start_job

start_job(snakemake.log[0], inputs=snakemake.input)
write_report(
    snakemake.output[0],
    cube=open_benchmark(snakemake.input.cube, made_for=snakemake.params.settings),
    figures=snakemake.input.figures,
)
