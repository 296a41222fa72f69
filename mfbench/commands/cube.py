"""``mfbench cube``: the cube of an unfinished study."""

from __future__ import annotations

from mfbench.commands.arguments import Output, StudyFile

EXAMPLES = ("mfbench cube my-study.yaml -o partial.nc",)


def run(output: Output, study: StudyFile = "config.yaml") -> None:
    """Write the cube of an unfinished study.

    It holds what has been evaluated so far; what is missing has the status 'absent'. Call it in the
    folder in which Snakemake runs; the study may be at work.
    """
    from mfbench.study.study import read_study
    from mfbench.workflow.partial_cube import write_partial_cube

    write_partial_cube(output, read_study(study))
