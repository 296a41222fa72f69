"""``mfbench merge``: several cubes in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mfbench.commands.arguments import Output

EXAMPLES = ("mfbench merge results/a/cubes/benchmark.nc results/b/cubes/benchmark.nc -o all.nc",)


def run(
    cubes: Annotated[list[Path], typer.Argument(metavar="CUBES", help="Cubes, or saved parts.")],
    output: Output,
) -> None:
    """Put several cubes together.

    They may be parts of a study or published results. They must be of the same task. Cells
    (architecture, width, kernel, rho) that are in two of them must have the same numbers.
    """
    from mfbench.cube.merge import merge_cubes

    merge_cubes(cubes, output)
