"""Arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

StudyFile = Annotated[str, typer.Argument(metavar="[STUDY]", help="Study file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]
Output = Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Cube to write.")]


def positive(value: float | None) -> float | None:
    """Refuse a number that is not positive and finite, as the callback of an option."""
    if value is not None and not 0 < value < float("inf"):
        raise typer.BadParameter(f"{value:g} must be a positive number")
    return value
