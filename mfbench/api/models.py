"""Models: built from a name, a class or a function, or read from the results of a study."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from torch import nn

from mfbench.api.defaults import LENGTH, WIDTH
from mfbench.api.keywords import keywords_checked
from mfbench.api.sections import checked
from mfbench.cube.write import in_order
from mfbench.evaluation.inputs import Trained, load_member, read_trained
from mfbench.evaluation.statistics import select_learning_rates
from mfbench.files.paths import Paths, named
from mfbench.models.build import STACK, build_model, load_architecture
from mfbench.models.build_all import build_all
from mfbench.models.model import Model
from mfbench.models.options import is_mixer, options_of
from mfbench.models.trial import seeded
from mfbench.models.whole import WholeModel
from mfbench.study.architecture import ArchitectureSettings
from mfbench.study.task import TaskSettings
from mfbench.tasks.datasets import read_dataset
from mfbench.training.record import weight_name
from mfbench.training.run import Run
from mfbench.training.status import STATUS
from mfbench.training.trainer import initial_model
from mfbench.words import did_you_mean

Architecture = str | Callable[..., nn.Module]


def build(
    model: Architecture,
    *,
    width: int = WIDTH,
    length: int = LENGTH,
    seed: int | None = None,
    **options: Any,
) -> nn.Module:
    """Build an untrained model (B, T, 1) -> (B, T, 1).

    Parameters
    ----------
    model : str or callable
        A registered architecture, the entry point of an installed package, or
        ``path/to/mine.py:Mine``; or such a class or function itself (docs/models.md).
    width : int
        Number of channels C.
    length : int
        Sequence length T in steps.
    seed : int, optional
        Seed of the initial weights, as in a study; by default they come from torch's generator.
    **options
        Arguments of the architecture's constructor; for a stack of mixers also ``layers``,
        ``norm``, ``residual`` and ``activation``.

    Raises
    ------
    ValueError
        Unknown architecture, option or value, or the architecture's own code fails.

    Examples
    --------
    >>> import mfbench as mf
    >>> model = mf.build("s4d", width=4, dt_max=1.0, state=8)
    >>> sum(p.numel() for p in model.parameters())
    104
    """
    settings = settings_of(model, options, width=width, length=length)
    if seed is None:
        return build_model(settings, width=width, length=length).root
    return initial_model(settings, width=width, length=length, seed=seed).root


def settings_of(
    model: Architecture | nn.Module,
    options: Mapping[str, Any],
    *,
    width: int,
    length: int,
    d_in: int = 1,
) -> dict[str, Any]:
    """The settings that `build_model` takes, with the architecture's own defaults.

    A module stands for a function that returns copies of it.

    Raises
    ------
    ValueError
        It cannot be built.
    """
    made = _copies(model) if isinstance(model, nn.Module) else model
    shaping = STACK if is_mixer(load_architecture(made)) else ()
    given: dict[str, Any] = {key: options[key] for key in shaping if key in options}
    given["options"] = {key: value for key, value in options.items() if key not in shaping}
    section = checked(ArchitectureSettings, {**given, "widths": [width]})
    with seeded(0):  # to look at a model draws no numbers from torch's generator
        entry = {**section.entry(length, d_in=d_in), "model": made}
        settings, _, _, problems = build_all(entry)
    if problems:
        meant = ("width", "length", *STACK, *options_of(load_architecture(made)))
        said = [
            f"{at[-1]}: {text}{did_you_mean(str(at[-1]), meant) if at[-1] not in meant else ''}"
            if at[0] == "options"
            else text
            for at, text in problems
        ]
        raise ValueError("; ".join(said))
    return settings


def _copies(module: nn.Module) -> Callable[[], nn.Module]:
    def copied() -> nn.Module:
        return copy.deepcopy(module)

    copied.__name__ = type(module).__name__
    return copied


def as_model(module: nn.Module, *, d_in: int = 1) -> Model:
    """A copy of a module with the interface of all models, in evaluation mode."""
    own = copy.deepcopy(module)
    return (own if isinstance(own, Model) else WholeModel(own, d_in=d_in)).eval()


@keywords_checked
def load_model(
    results: str | Path,
    *,
    architecture: str,
    kernel: str,
    level: int | None = None,
    memory_length: int | None = None,
    rho: float | None = None,
    seed: int = 0,
    learning_rate: float | None = None,
    width: int | None = None,
    steps: int | None = None,
) -> nn.Module:
    """A trained model of a study, in evaluation mode.

    Parameters
    ----------
    results : path
        The study's folder of results, ``results/NAME``.
    architecture, kernel : str
        Names in the study.
    level, memory_length, rho : optional
        One of the three: the number of the level from easy (0) to hard (-1), its memory length M99,
        or the knob of the family.
    seed : int
        Seed of the member.
    learning_rate : float, optional
        Default: the rate that is best for the other seeds, which counts in the study.
    width : int, optional
        Number of channels; needed if the study has several.
    steps : int, optional
        Training budget; default: the largest.

    Raises
    ------
    ValueError
        The results have no such member, or it diverged or failed; the message says what there is.

    Examples
    --------
    >>> import mfbench as mf
    >>> model = mf.load_model(
    ...     "results/small", architecture="s4d", kernel="exponential", level=-1, seed=0
    ... )
    """
    paths = Paths(results)
    records = [
        path
        for path in paths.existing("record", architecture=architecture, kernel=kernel)
        if named(path)["phase"] != "diagnose"
    ]
    widths = sorted({named(path)["width"] for path in records})
    if not Path(results).is_dir():
        raise ValueError(f"there is no folder {results}: give that of a study, results/NAME")
    if not records:
        there = sorted(
            {(n["architecture"], n["kernel"]) for n in map(named, paths.existing("record"))}
        )
        found = ", ".join(f"{a} on {k}" for a, k in there) or "nothing that is trained"
        raise ValueError(f"{results} has no {architecture} on {kernel}; it has {found}")
    width = _one("width", width, widths)
    records = [path for path in records if named(path)["width"] == width]
    trained = read_trained(records, [str(Path(r).with_suffix(".safetensors")) for r in records])
    where = f"{architecture} of width {width} on {kernel}"
    which = {"level": level, "memory_length": memory_length, "rho": rho}
    knob = _level(paths, kernel, list(trained), which)
    run = _run(trained[knob], where, seed=seed, learning_rate=learning_rate, steps=steps)
    with netCDF4.Dataset(records[0]) as file:
        settings = json.loads(file.settings)
    own = settings["architecture"]
    own["model"] = _found(own["model"], Path(results).resolve())
    with seeded(0):  # the weights are those of the study
        task = TaskSettings.model_validate(settings["task"])
        model = build_model(own, width=width, length=task.length, d_in=task.channels)
    load_member(model, trained[knob].weights, weight_name(knob, run, ""))
    return model.eval().root


def _found(reference: str, results: Path) -> str:
    """The reference of a model; a path is relative to the study's folder, which holds results."""
    file, _, name = reference.rpartition(":")
    places = [folder / file for folder in results.parents] if file else []
    return next((f"{path}:{name}" for path in places if path.is_file()), reference)


def _level(
    paths: Paths, kernel: str, knobs: list[float], which: Mapping[str, float | None]
) -> float:
    """The rho of the level that is asked for."""
    asked = {name: value for name, value in which.items() if value is not None}
    if len(asked) != 1:
        raise ValueError(f"give exactly one of {', '.join(which)}")
    ((name, value),) = asked.items()
    if name == "rho":
        return float(_one(name, value, sorted(knobs)))
    tasks = {r: read_dataset(paths.file("dataset", kernel=kernel, rho=r), splits=()) for r in knobs}
    lengths = {r: float(task.memory_length) for r, task in tasks.items()}
    ordered = in_order(kernel, lengths)
    if name == "level":
        if not -len(ordered) <= value < len(ordered):
            n = len(ordered)
            raise ValueError(f"level = {value} must lie in 0..{n - 1}, or in {-n}..-1 from the end")
        return ordered[int(value)]
    length = _one(name, value, sorted(set(lengths.values())))
    return next(r for r in ordered if lengths[r] == length)


def _run(
    found: Trained, where: str, *, seed: int, learning_rate: float | None, steps: int | None
) -> Run:
    """The member that is asked for; by default at the selected learning rate."""
    record = found.record
    if message := str(record.message.item()):
        raise ValueError(f"{where} failed: {message}")
    budgets, rates, seeds = (record[n].values for n in ("budget", "learning_rate", "seed"))
    steps = _one("steps", int(budgets[-1]) if steps is None else steps, budgets.tolist())
    _one("seed", seed, seeds.tolist())
    part = record.sel(budget=steps)
    if learning_rate is None:
        errors, status = part.best_validation_error.values, part.status.values
        best = select_learning_rates(errors, status == STATUS.index("diverged"))
        learning_rate = float(rates[best[seeds.tolist().index(seed)]])
    _one("learning_rate", learning_rate, rates.tolist())
    status = STATUS[int(part.status.sel(learning_rate=learning_rate, seed=seed))]
    if status != "ok":
        raise ValueError(
            f"{where}, {steps} steps, learning rate {learning_rate:g}, seed {seed}: it is {status}"
        )
    return Run(steps, learning_rate, seed)


def _one(name: str, wanted: Any, there: list[Any]) -> Any:
    """The value that is wanted, or the only one."""
    if wanted is None and len(there) == 1:
        return there[0]
    close = [value for value in there if wanted is not None and np.isclose(value, wanted, atol=0)]
    if not close:
        found = ", ".join(f"{value:.12g}" for value in there)
        raise ValueError(
            f"give {name}: the study has {found}"
            if wanted is None
            else f"no {name} = {wanted:g}: the study has {found}"
        )
    return close[0]
