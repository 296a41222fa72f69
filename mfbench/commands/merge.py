"""``mfbench merge``: several cubes in one."""

from __future__ import annotations

import argparse
import sys


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say how the command is called."""
    parser = commands.add_parser(
        "merge",
        help="put several cubes together: parts of a study, or published results",
        description="Put several cubes of the same task together. Cells (architecture, width, "
        "kernel, rho) that are in two of them must have the same numbers.",
    )
    parser.add_argument("cubes", nargs="+", metavar="CUBE", help="cube, or a saved part of one")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="cube to write")
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Write the merged cube, and return the exit code."""
    from mfbench.cube.merge import merge_cubes

    try:
        merge_cubes(given.cubes, given.output)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"mfbench merge: {error}\n")
        return 1
    return 0
