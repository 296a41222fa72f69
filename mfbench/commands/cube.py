"""``mfbench cube``: the cube of an unfinished study."""

from __future__ import annotations

import argparse
import sys


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say how the command is called."""
    parser = commands.add_parser(
        "cube",
        help="write the cube of an unfinished study",
        description="Write the cube of what a study has evaluated so far; what is missing has the "
        "status 'absent'. Call it in the folder in which Snakemake runs; the study may be at work. "
        "The exit code is 2 if the study file cannot be used, 1 if no cube can be made, else 0.",
    )
    parser.add_argument("study", nargs="?", default="config.yaml", help="study file (config.yaml)")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="cube to write")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Write the cube, and return the exit code."""
    from mfbench.study.study import read_study

    try:
        study = read_study(given.study)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"mfbench cube: {error}\n")
        return 2
    from mfbench.cube.assemble import assemble_cube
    from mfbench.files.paths import Paths, named
    from mfbench.workflow.plan import study_settings

    sources = [
        path
        for architecture, width, kernel in study.groups()
        for path in Paths(study.results).existing(
            "evaluation", architecture=architecture, width=width, kernel=kernel
        )
    ]
    try:
        assemble_cube(
            given.output,
            # A level that an earlier run added may have become one of the study.
            sorted(sources, key=lambda path: named(path)["phase"] != "study"),
            architectures=list(study.architectures),
            kernels=list(study.kernels),
            study=study_settings(study),
            partial=True,
        )
    except (OSError, ValueError) as error:
        sys.stderr.write(f"mfbench cube: {error}\n")
        return 1
    return 0
