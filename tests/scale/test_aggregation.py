"""The memory of the aggregation follows one architecture and not the study."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import netCDF4
import pytest

from mfbench.cube.architecture import assemble_architecture
from mfbench.files import atomic
from mfbench.files.integrity import seal
from tests.conftest import REPOSITORY
from tests.cube.test_benchmark import SETTINGS
from tests.test_cubes import RATES, SEEDS, STUDY, make_group

pytestmark = pytest.mark.scale

LAGS, WIDTHS, LEVELS = 2000, [4, 8, 16, 32], 8
LEVELS_OF = {f"{width}/impulse": [f"{i}.5" for i in range(LEVELS)] for width in WIDTHS}
SLAB = len(WIDTHS) * LEVELS * len(RATES) * len(SEEDS) * LAGS * (8 + 2 * 4) / 1e6  # MB, the large
FEW, MANY = 4, 16

# The memory that a process once had is not that of the work: read before and after.
CODE = """
import json, resource, sys
from mfbench.cube.benchmark import assemble_benchmark
from mfbench.files import git_commit
git_commit()
given = json.load(open(sys.argv[1]))
for sources in (given["sources"][:1], given["sources"]):
    names = [source.rpartition("/")[2].removesuffix(".nc") for source in sources]
    given["resolved"]["architectures"] = {name: {"widths": given["widths"]} for name in names}
    assemble_benchmark(given["path"], sources, architectures=names, kernels=["impulse"],
                       resolved=given["resolved"])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def wide_group(folder: Path, width: int) -> Path:
    """An evaluation with so many lags that its numbers outweigh the rest."""
    import numpy as np
    import xarray as xr

    path = make_group(folder, "a", width, "impulse", LEVELS)
    with xr.open_dataset(path, mask_and_scale=False) as file:
        group = file.load()
    rng = np.random.default_rng(width)
    at = dict(zip(("lag", "step"), (range(LAGS), [1, 10]), strict=True))
    group = group.reindex(at, fill_value=0.0)
    for name in ("learned_memory_function", "memory_over_training"):
        values = rng.random(group[name].shape)
        group[name] = group[name].dims, values.astype(group[name].dtype), group[name].attrs
    with atomic(path) as temporary:
        group.to_netcdf(temporary)
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One architecture under many names."""
    folder = tmp_path_factory.mktemp("sources")
    groups = [wide_group(folder, width) for width in WIDTHS]
    made = []
    for i in range(MANY):
        for group in groups:
            with netCDF4.Dataset(group, "r+") as file:
                file.architecture_name = f"a{i}"
            seal(group, ".nc")
        made.append(folder / f"a{i}.nc")
        assemble_architecture(made[-1], groups, resolved={**SETTINGS, "levels": LEVELS_OF})
    return made


def growth(sources: list[Path], folder: Path) -> float:
    """How much more memory a study needs than its first architecture, in MB."""
    tasks = [{"rho": f"{i}.5", "memory_length": 2**i} for i in range(LEVELS)]
    resolved: dict[str, Any] = {
        "name": "s",
        "task": STUDY["task"],
        "evaluation": STUDY["evaluation"],
        "training": STUDY["training"],
        "kernels": {"impulse": tasks},
    }
    given = {"sources": [str(s) for s in sources], "widths": WIDTHS, "resolved": resolved}
    given["path"] = str(folder / f"{len(sources)}.nc")
    (folder / "given.json").write_text(json.dumps(given))
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(folder / "given.json")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    one, all_of_them = map(float, done.stdout.split())
    return all_of_them - one


def test_four_times_the_architectures_need_no_more_memory(
    sources: list[Path], tmp_path: Path
) -> None:
    few, many = growth(sources[:FEW], tmp_path), growth(sources, tmp_path)
    whole = (MANY - FEW) * SLAB
    assert whole > 30  # else the bound below says nothing
    assert many - few < whole / 4
    with netCDF4.Dataset(tmp_path / f"{MANY}.nc") as file:
        assert (file["status"][...] == 1).all()
        assert len(file.dimensions["architecture"]) == MANY
