"""``mfbench merge``: several cubes in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mfbench.commands.arguments import Output
from mfbench.commands.output import say
from mfbench.files.cube_path import cube_path

EXAMPLES = ("mfbench merge results/a/cubes/benchmark.nc results/b/cubes/benchmark.nc -o all.nc",)


def run(
    cubes: Annotated[list[Path], typer.Argument(metavar="CUBES", help="Cubes, or saved parts.")],
    output: Output,
) -> None:
    """Put several cubes together.

    They may be parts of a study or published results. They must be of the same task. Cells
    (architecture, width, kernel, rho) that are in two of them must have the same numbers.
    """
    for cube in cubes:
        cube_path(cube)
    from mfbench.api.cubes import contents, open_cube
    from mfbench.cube.merge import merge_cubes

    merge_cubes(cubes, output)
    say(f"wrote {output}: {contents(open_cube(output))}")
