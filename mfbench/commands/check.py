"""``mfbench check``: what a model promises, and what a step of its training costs."""

from __future__ import annotations

import typer

from mfbench.api.defaults import LENGTH, WIDTH
from mfbench.commands.arguments import Json
from mfbench.commands.model_arguments import (
    Device,
    Length,
    ModelReference,
    Options,
    Width,
    given_options,
)
from mfbench.commands.names import architectures
from mfbench.commands.output import console, say_json
from mfbench.models.registry import locate

EXAMPLES = (
    "mfbench check mine.py:Mine",
    "mfbench check mine.py:Mine --option gate=tanh --width 32",
    "mfbench check s4d --json",
)

NAMES = (architectures,)


def run(
    model: ModelReference,
    *,
    option: Options = None,
    width: Width = WIDTH,
    length: Length = LENGTH,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Check a model before training it.

    Tests the promises that every model must keep (causal, deterministic, ...) and says how to mend
    broken ones. Then shows the model's size and the cost of a training step. The exit status is 1
    if a promise is broken.
    """
    options = given_options(option)
    locate(model)  # a wrong name is reported before torch is loaded
    from mfbench.api.check import check
    from mfbench.commands.check_table import document, show

    found = check(model, options=options, width=width, length=length, device=device)
    if as_json:
        say_json(document(found))
    else:
        show(console(), found)
    if found.broken:
        raise typer.Exit(1)
