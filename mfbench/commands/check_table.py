"""What ``mfbench check`` shows: tables, or JSON."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mfbench.api.check import Check
from mfbench.words import counted

_STYLES = {
    "holds": "green",
    "warning": "yellow",
    "broken": "bold red",
    "not judged": "bright_black",
    "not declared": "bright_black",
}


def document(check: Check) -> dict[str, Any]:
    """A check in JSON's types."""
    return {
        "model": check.model,
        "width": check.width,
        "length": check.length,
        "device": check.device,
        "broken": check.broken,
        "promises": [
            {
                "name": outcome.promise.name,
                "text": outcome.promise.text,
                "state": outcome.state,
                "message": outcome.message,
            }
            for outcome in check.promises
        ],
        "parameters": check.parameters,
        "state_size": check.state_size,
        "receptive_field": check.receptive_field,
        "linear": check.linear,
        "cost": None if check.cost is None else vars(check.cost),
    }


def show(console: Console, check: Check) -> None:
    """Print the promises and then what the model is and costs."""
    promises = Table(box=SIMPLE, show_edge=False, padding=(0, 1, 0, 0))
    promises.add_column("promise", no_wrap=True)
    promises.add_column("", no_wrap=True)
    promises.add_column("found, and what to change", overflow="fold")
    for outcome in check.promises:
        style = _STYLES[outcome.state]
        text = (
            Text(outcome.promise.text, "dim") if outcome.state == "holds" else Text(outcome.message)
        )
        promises.add_row(outcome.promise.name, Text(outcome.state, style), text)
    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(no_wrap=True, style="bold")
    facts.add_column(overflow="fold")
    for row in _facts(check):
        facts.add_row(*row)
    where = f"width {check.width}, {check.length} steps, on {check.device}"
    console.print(f"{check.model}, {where}", style="bold")
    console.print(promises)
    console.print()
    console.print(facts)
    count = sum(outcome.state == "broken" for outcome in check.promises)
    verdict = f"\n{count} broken: start with the first" if count else "\nready to train"
    console.print(verdict, style="bold red" if count else "bold green")


def _facts(check: Check) -> list[tuple[str, str]]:
    size, field = check.state_size, check.receptive_field
    facts = [
        ("parameters", f"{check.parameters}"),
        ("state", "not declared" if size is None else counted(size, "number")),
        ("receptive field", "not declared" if field is None else counted(field, "lag")),
        ("linear", "declared" if check.linear else "not declared"),
    ]
    if (cost := check.cost) is None:
        return [*facts, ("training step", "not measured, because the model does not run")]
    alone = f"train one at a time, which is only slower: {cost.alone}"
    together = alone if cost.alone else "train together"
    recorded = f"not used: {cost.unrecorded}"
    if check.device == "cpu":
        recorded = cost.unrecorded
    return [
        *facts,
        ("training step", f"{cost.milliseconds:.3g} ms for 16 sequences"),
        ("step memory", f"{cost.memory / 1e6:.3g} MB"),
        ("members", together),
        ("CUDA graph", recorded if cost.unrecorded else "used"),
    ]
