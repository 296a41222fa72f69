"""Arguments of the commands that take one model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

ModelReference = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="path/to/file.py:Class, or an architecture such as s4d.",
        show_default=False,
    ),
]
Options = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="KEY=VALUE", help="An argument of its constructor; may be repeated."
    ),
]
Width = Annotated[int, typer.Option(min=1, help="Number of channels.")]
Length = Annotated[int, typer.Option(min=4, help="Sequence length in steps.")]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="auto: the GPU, if the machine has one.")
]


def given_options(texts: Sequence[str] | None) -> dict[str, Any]:
    """Options of a model from ``key=value``, with values in YAML as in studies.

    Raises
    ------
    BadParameter
        One has no value.
    StudyError
        A value is not strict YAML.
    """
    from mfbench.study.document import read_documents

    for text in texts or ():
        if "=" not in text:
            raise typer.BadParameter(f"--option {text}: write --option {text}=VALUE")
    return read_documents([], texts or (), flag="--option").content
