"""``mfbench try``: a model on one task, in a minute."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from mfbench.api.defaults import LEARNING_RATES, LENGTH, SEEDS, STEPS, WIDTH
from mfbench.commands.arguments import Figure, Json
from mfbench.commands.model_arguments import (
    Device,
    Length,
    ModelReference,
    Options,
    Width,
    given_options,
)
from mfbench.commands.names import architectures, kernels
from mfbench.commands.output import console, say_json
from mfbench.commands.task_arguments import given_task
from mfbench.files.cube_path import cube_path
from mfbench.models.registry import locate

EXAMPLES = (
    "mfbench try mine.py:Mine --kernel airy --memory-length 16",
    "mfbench try mine.py:Mine --kernel impulse --rho 20 --steps 2000 --figure mine.png",
    "mfbench try rnn --kernel airy --memory-length 16 --with results/default/cubes/benchmark.nc",
)

NAMES = (architectures, kernels)


def _rates(text: str) -> str:
    try:
        rates = [float(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r}: write numbers with commas, as in 0.01,0.03") from None
    if not all(0 < rate < float("inf") for rate in rates) or len(set(rates)) < len(rates):
        raise typer.BadParameter(f"{text!r}: rates must be positive, each listed once")
    return text


def run(
    model: ModelReference,
    *,
    kernel: Annotated[
        str, typer.Option(help="Family of the memory function, or path/to/file.py:FAMILY.")
    ],
    memory_length: Annotated[
        int | None, typer.Option(min=1, help="Effective memory length M99 in steps.")
    ] = None,
    rho: Annotated[
        float | None, typer.Option(help="The family's parameter rho, instead of --memory-length.")
    ] = None,
    marked: Annotated[
        float | None,
        typer.Option(
            help="Probability of a mark: models see pairs (x, mark), and the target remembers "
            "marked inputs only."
        ),
    ] = None,
    clock: Annotated[
        Literal["steps", "marked"], typer.Option(help="Unit of lags: steps or marked steps.")
    ] = "steps",
    option: Options = None,
    width: Width = WIDTH,
    length: Length = LENGTH,
    steps: Annotated[int, typer.Option(min=1, help="Training steps per member.")] = STEPS,
    learning_rates: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Peak learning rates.", callback=_rates)
    ] = ",".join(map(str, LEARNING_RATES)),
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = SEEDS,
    device: Device = "auto",
    others: Annotated[
        Path | None,
        typer.Option(
            "--with",
            metavar="CUBE",
            help="Also show the models of this cube; 'reference' ships with mfbench.",
        ),
    ] = None,
    figure: Figure = None,
    as_json: Json = False,
) -> None:
    """Train a few members of a model on one task.

    Shows the test error next to the floor for the model's size, the memory function that it
    learned, and hints at the cause if it fails. Ctrl-C ends training early and shows the results
    so far.
    """
    options = given_options(option)
    locate(model)  # wrong names are reported before torch is loaded
    cube_file = None if others is None else cube_path(others)
    task = given_task(kernel, memory_length, rho=rho, length=length, marked=marked, clock=clock)
    from mfbench.api.attempt import attempt
    from mfbench.commands.attempt_table import document, show
    from mfbench.commands.try_progress import progress_of_steps
    from mfbench.cube.read import open_benchmark
    from mfbench.cube.select import longest, nearest_level
    from mfbench.tasks.kernels.marks import Marks

    other = None
    if cube_file is not None:  # before the training, which takes longer
        assert task.memory_length is not None
        cube = open_benchmark(cube_file)
        if Marks.of(json.loads(cube.attrs["settings"]).get("task", {})) != task.settings.marks:
            raise ValueError(
                f"{others}: its tasks use other marks (task.marked, task.clock) than --marked and "
                "--clock; reference_marked_input and reference_marked_clock ship with mfbench"
            )
        other = nearest_level(
            longest(cube), family=str(task.family), memory_length=task.memory_length
        )
    with progress_of_steps(f"{model.rpartition(':')[2]} on {kernel}") as report:
        found = attempt(
            model,
            task,
            options=options,
            width=width,
            steps=steps,
            learning_rates=[float(rate) for rate in learning_rates.split(",")],
            seeds=seeds,
            device=device,
            report=report,
            partial=True,
        )
    if as_json:
        say_json(document(found, other))
    else:
        show(console(), found, other, name=f"{others}")
    if figure is not None:
        from mfbench.figures.export import save_chart
        from mfbench.figures.one_task import chart_of_task

        save_chart(figure, chart_of_task(found.cube, other))
