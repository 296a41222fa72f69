"""A study with kernels of one's own, run by Snakemake."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

import mfbench
from tests.tasks.kernels.own import write_family
from tests.workflow.conftest import Project

OF_A_KERNEL = {
    "dataset": 1,
    "floors": 1,
    "baselines": 1,
    "train": 1,
    "evaluate": 1,
    "benchmark_cube": 1,
}
CUBE = "results/small/cubes/benchmark.nc"


def test_a_study_of_own_kernels_runs_and_follows_their_files(fresh: Project) -> None:
    kit = fresh.folder / "kit"
    kit.mkdir()
    (kit / "helper.py").write_text("POWER = 2\n")
    write_family(
        kit / "mine.py", "np.exp(-((lag / rho) ** POWER))", imports="from helper import POWER"
    )
    values = np.array([[1.0, -0.5, 0.0]])
    np.save(fresh.folder / "measured.npy", values)

    def configure(study: dict[str, Any]) -> None:
        study["kernels"] = {
            "Bell-1": {"family": "kit/mine.py:FAMILY", "memory_length": [3]},
            "measured": {"values": "measured.npy"},
        }
        study["architectures"] = {"rnn": {"widths": [4]}}

    fresh.configure(configure)
    done = fresh.snakemake(CUBE)
    assert done.returncode == 0, done.stdout + done.stderr
    cube = mfbench.open(fresh.folder / CUBE)
    assert cube.kernel.values.tolist() == ["Bell-1", "measured"]
    assert cube.memory_length.sel(kernel="Bell-1").values[0] == 3
    measured = cube.sel(kernel="measured")
    assert measured.rho.values.tolist() == [0]
    k = np.append(values, 0) / np.sqrt(1.25)
    np.testing.assert_allclose(measured.memory_function[0, :4], k)
    assert (measured.status == "ok").all()
    assert np.isfinite(measured.generalisation_error).all()
    settings = json.loads(cube.attrs["settings"])
    assert settings["kernels"]["Bell-1"][0]["family"] == "kit/mine.py:FAMILY"

    (kit / "helper.py").write_text("POWER = 4\n")
    assert fresh.planned(CUBE) == OF_A_KERNEL
