"""``mfbench check``: what a model promises, and what a step of its training costs."""

from __future__ import annotations

import json
import sys

import typer

from mfbench.commands.arguments import Json
from mfbench.commands.model_arguments import (
    Device,
    Length,
    ModelReference,
    Options,
    Width,
    given_options,
)

EXAMPLES = (
    "mfbench check mine.py:Mine",
    "mfbench check mine.py:Mine --option gate=tanh --width 32",
    "mfbench check s4d --json",
)


def run(
    model: ModelReference,
    *,
    option: Options = None,
    width: Width = 16,
    length: Length = 64,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Check a model before training it.

    Shows whether it keeps what all models promise (causal, deterministic, ...) and what to change,
    its size, and what a step costs. The exit status is 1 if a promise is broken.
    """
    options = given_options(option)
    from mfbench.models.registry import locate

    locate(model)  # a name that is wrong is refused before torch is imported
    from rich.console import Console

    from mfbench.api.check import check
    from mfbench.commands.check_table import document, show
    from mfbench.commands.model_output import model_output_to_stderr

    with model_output_to_stderr():
        found = check(model, options=options, width=width, length=length, device=device)
    if as_json:
        sys.stdout.write(json.dumps(document(found), indent=1) + "\n")
    else:
        show(Console(highlight=False, markup=False, emoji=False), found)
    if found.broken:
        raise typer.Exit(1)
