"""The cube of an unfinished study."""

from __future__ import annotations

from pathlib import Path

from mfbench.cube.assemble import assemble_cube
from mfbench.files.paths import Paths, named
from mfbench.study.study import Study
from mfbench.workflow.plan import study_settings


def write_partial_cube(output: str | Path, study: Study) -> None:
    """Write the cube of what has been evaluated so far; the rest has the status 'absent'.

    Call it in the folder in which Snakemake runs.

    Parameters
    ----------
    output : path
        File to write.
    study : Study
        The study, checked.

    Raises
    ------
    ValueError
        Nothing has been evaluated.
    """
    sources = [
        path
        for architecture, width, kernel in study.groups()
        for path in Paths(study.results).existing(
            "evaluation", architecture=architecture, width=width, kernel=kernel
        )
    ]
    assemble_cube(
        output,
        # The study's own phase first: a level that refine once added may now be one of the study.
        sorted(sources, key=lambda path: named(path)["phase"] != "study"),
        architectures=list(study.architectures),
        kernels=list(study.kernels),
        study=study_settings(study),
        partial=True,
        baselines=Paths(study.results).existing("baselines"),
    )
