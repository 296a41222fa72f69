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

    found = read_study(study)
    from mfbench.cube.assemble import assemble_cube
    from mfbench.files.paths import Paths, named
    from mfbench.workflow.plan import study_settings

    sources = [
        path
        for architecture, width, kernel in found.groups()
        for path in Paths(found.results).existing(
            "evaluation", architecture=architecture, width=width, kernel=kernel
        )
    ]
    assemble_cube(
        output,
        # A level that an earlier run added may have become one of the study.
        sorted(sources, key=lambda path: named(path)["phase"] != "study"),
        architectures=list(found.architectures),
        kernels=list(found.kernels),
        study=study_settings(found),
        partial=True,
    )
