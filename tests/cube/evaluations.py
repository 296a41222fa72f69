"""Small evaluation files of a made-up study, as the workflow writes them."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mfbench.cube.assemble import assemble_cube
from mfbench.files import atomic
from mfbench.files.netcdf import write_netcdf

RATES, SEEDS = [0.003, 0.01], [0, 1, 2]
STUDY: dict[str, Any] = {
    "name": "s",
    "task": {"seed": 0},
    "training": {"learning_rates": RATES, "seeds": SEEDS, "steps": [10], "batch_size": 10},
    "evaluation": {"success": 0.1},
    "architectures": {"a": {"widths": [4, 8]}, "b": {"widths": [4]}},
    "kernels": {
        "impulse": [{"rho": 0.5, "memory_length": 1}, {"rho": 1.5, "memory_length": 2}],
        "airy": [{"rho": i + 0.5, "memory_length": 2**i} for i in range(3)],
    },
}


def make_group(
    folder: Path, architecture: str, width: int, kernel: str, levels: int | None = None
) -> Path:
    """An evaluation file with numbers that say where they belong."""
    names = {"phase": "study", "architecture": architecture, "width": width, "kernel": kernel}
    levels = levels or len(STUDY["kernels"].get(kernel, "12"))
    shape = (levels, 1, len(RATES), len(SEEDS))
    code = 1000.0 * ord(architecture[0]) + 100 * width + 10 * len(kernel)
    numbers = code + np.arange(np.prod(shape)).reshape(shape) / 100
    member, lag = ("level", "budget", "learning_rate", "seed"), np.arange(4)
    group = xr.Dataset(
        {
            "status": (member, np.ones(shape, "i1")),
            "relative_mse": (member, numbers),
            "best_validation_error": (member, numbers),
            "time_variation": (member, np.zeros(shape)),
            "best_step": (member, np.full(shape, 7, "i4")),
            "validation_error": ((*member, "step"), np.stack([numbers, numbers + 1], -1)),
            "learned_memory_function": ((*member, "lag"), numbers[..., None] + lag),
            "memory_over_training": (
                (*member, "step", "lag"),
                (numbers[..., None, None] + [[0], [10]] + lag).astype("f4"),
            ),
            "message": ("level", np.full(levels, "", dtype=object)),
            "selected_learning_rate": (
                ("level", "budget", "seed"),
                np.resize([[0.01] * 3, [0.003] * 3], (levels, 1, 3)),
            ),
            "selected_rate_edge": (("level", "budget"), np.resize([1.0, -1.0], (levels, 1))),
            "lower_floor": ("level", np.zeros(levels)),
            "upper_floor": ("level", np.zeros(levels)),
            "rho": ("level", np.arange(levels) + 0.5),
            "memory_length": ("level", 2.0 ** np.arange(levels)),
            "order": ("level", np.arange(levels) + 1.0),
            "memory_function": (("level", "lag"), np.ones((levels, 1)) + lag),
            "weights": (("level", "lag"), np.full((levels, 1), 0.5) - 0.1 * lag),
            "parameters": ("level", np.full(levels, 10.0 * width)),
            "linear": ("level", np.zeros(levels)),
            "state_size": ("level", np.full(levels, float(width))),
            "receptive_field": ("level", np.full(levels, np.nan)),
        },
        coords={
            "level": np.arange(levels, dtype="i4"),
            "budget": np.array([10], "i4"),
            "learning_rate": RATES,
            "seed": np.array(SEEDS, "i4"),
            "step": np.array([1, 10], "i4"),
            "lag": np.arange(4, dtype="i4"),
            "time": np.arange(2, 4, dtype="i4"),
            "threshold": [0.1],
            "perturbation": [0.0, 0.1],
            "length_factor": np.array([2, 4], "i4"),
        },
        attrs={
            "architecture_name": architecture,
            "width": width,
            "kernel": kernel,
            "settings": json.dumps({**STUDY, "architecture": {}, "file": names}),
        },
    )
    for variable in group.variables.values():
        variable.attrs.update(long_name="a number", units="1")
    path = folder / f"{architecture}-{width}-{kernel}.nc"
    path.parent.mkdir(exist_ok=True, parents=True)
    with atomic(path) as temporary:
        group.to_netcdf(temporary)
    return path


def make_baselines(folder: Path, kernel: str, rho: float, systems: dict[int, float]) -> Path:
    """Baselines of a task: a ridge error of `rho` on a window of 8, and errors by state size."""
    path = folder / f"baselines/{kernel}/rho={rho}.nc"
    path.parent.mkdir(exist_ok=True, parents=True)
    numbers = {"zero_error": 1.0, "ridge_error": rho, "ridge_window": 8, "ridge_penalty": 0.1}
    sizes = {"state_size": list(systems), "linear_system_error": list(systems.values())}
    settings = {"task": STUDY["task"], "file": {"kernel": kernel, "rho": rho}}
    write_netcdf(
        path,
        {name: ((), value, {}) for name, value in numbers.items()}
        | {name: (("state_size",), values, {}) for name, values in sizes.items()},
        {"settings": json.dumps(settings)},
    )
    return path


@functools.cache
def _whole_study() -> dict[Path, bytes]:
    groups = [(a, w) for a, entry in STUDY["architectures"].items() for w in entry["widths"]]
    with tempfile.TemporaryDirectory() as folder:
        made = [make_group(Path(folder), *g, kernel) for g in groups for kernel in STUDY["kernels"]]
        return {path.relative_to(folder): path.read_bytes() for path in made}


def whole_study(folder: Path) -> list[Path]:
    """All evaluations of the study."""
    for path, content in _whole_study().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return [folder / path for path in _whole_study()]


def edit(path: Path, change: Callable[[xr.Dataset], xr.Dataset | None]) -> xr.Dataset:
    """Change an evaluation file, which stays whole."""
    with xr.open_dataset(path, mask_and_scale=False) as opened:
        group = opened.load().drop_encoding()
    changed = change(group)
    group = group if changed is None else changed
    with atomic(path) as temporary:
        group.to_netcdf(temporary)
    return group


def fail(path: Path, level: int, message: str, *, built: bool = True) -> None:
    """Make a cell of an evaluation file failed, as the evaluation writes it."""

    def change(group: xr.Dataset) -> None:
        texts = group.message.values.astype(object)
        texts[level] = message
        group["message"] = ("level", texts, group.message.attrs)
        group.status[level] = 3
        group.relative_mse[level] = np.nan
        group.selected_learning_rate[level] = np.nan
        if not built:
            group.parameters[:] = np.nan

    edit(path, change)


def assemble(path: Path, sources: Sequence[Path], **changes: Any) -> xr.Dataset:
    """The cube of what there is, if not said otherwise, as it is in its file."""
    given: dict[str, Any] = {
        "architectures": ["b", "a"],
        "kernels": ["impulse", "airy"],
        "study": STUDY,
        "partial": True,
        **changes,
    }
    assemble_cube(path, sources, **given)
    with xr.open_dataset(path, mask_and_scale=False) as file:
        return file.load()
