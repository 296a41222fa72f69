"""Arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[str, typer.Argument(metavar="STUDY", help="Study file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]


def _cube_name(path: Path) -> Path:
    if path.suffix != ".nc":
        raise typer.BadParameter(f"{path} must end in .nc")
    return path


Output = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FILE", help="Cube to write.", callback=_cube_name),
]


def _known_format(path: Path | None) -> Path | None:
    from mfbench.figures.order import FORMATS

    if path and path.suffix not in FORMATS:
        raise typer.BadParameter(f"{path} must end in {', '.join(FORMATS)}")
    return path


Figure = Annotated[
    Path | None,
    typer.Option(
        "--figure", metavar="FILE", help="Save a figure: .png, .svg, .html.", callback=_known_format
    ),
]
