"""Write the part of a study's cube that ships with mfbench to reference/."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import netCDF4
import xarray as xr

from mfbench.files import atomic, write_text

FOLDER = Path(__file__).parent.parent / "reference"
DIGESTS = FOLDER / "SHA256SUMS"
LARGEST = 5_000_000  # bytes of all shipped cubes
# Functions of lag, time and step, except what a model remembers and what its state holds.
LEFT_OUT = (
    "memory_over_training",
    "learned_memory_function_standard_error",
    "kernel_error_over_lag",
    "error_over_time",
    "train_error",
    "validation_error",
)
_LARGE = 10_000  # values; a variable with more keeps seven digits


def ship(results: str | Path) -> None:
    """Ship the cube in a folder of results, with the hardware that trained its models.

    Parameters
    ----------
    results : path
        ``results/NAME``, whose cube becomes ``reference/NAME.nc``.

    Raises
    ------
    ValueError
        All shipped cubes together are too large.
    """
    results = Path(results)
    with xr.open_dataset(results / "cubes" / "benchmark.nc", mask_and_scale=False) as whole:
        cube = whole.drop_vars([name for name in LEFT_OUT if name in whole]).load()
    cube.attrs |= {"hardware": hardware(results), "left_out": ", ".join(LEFT_OUT)}
    encoding = {
        name: {"zlib": True, "complevel": 9, "shuffle": True}
        | ({"dtype": "float32"} if values.dtype.kind == "f" and values.size > _LARGE else {})
        for name, values in cube.data_vars.items()
    }
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / f"{results.name}.nc"
    with atomic(target) as temporary:
        cube.to_netcdf(temporary, encoding=encoding)
        shipped = {Path(temporary), *FOLDER.glob("*.nc")} - {target}
        if (size := sum(path.stat().st_size for path in shipped)) > LARGEST:
            raise ValueError(f"the cubes in reference/ have {size:,} bytes, more than {LARGEST:,}")
    cubes = sorted(FOLDER.glob("*.nc"))
    write_text(DIGESTS, "".join(f"{digest(path)}  {path.name}\n" for path in cubes))


def digest(path: Path) -> str:
    """The SHA-256 of a file, as ``sha256sum`` prints it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hardware(results: Path) -> str:
    """Which hardware ran how many training jobs, most first."""
    counted: Counter[str] = Counter()
    for record in results.glob("training/study/**/*.nc"):
        with netCDF4.Dataset(record) as file:
            counted[file.device] += 1
    return "; ".join(f"{device} ({n} training jobs)" for device, n in counted.most_common())
