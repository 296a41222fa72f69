from __future__ import annotations

import json
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from mfbench.files import BrokenFileError, atomic
from mfbench.floors.finite import fir_floor
from mfbench.floors.lower import lower_bound
from mfbench.floors.netcdf import Floors, read_floors, write_floors
from mfbench.floors.upper import upper_bound
from mfbench.study.task import FloorSettings, TaskSettings

TASK = TaskSettings.model_validate({"length": 32})
SETTINGS = FloorSettings(state_sizes=[4, 1])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("floors") / "rho=9.nc"
    write_floors(path, task=TASK, settings=SETTINGS, family="impulse", rho=9)
    return path


@pytest.fixture
def floors(path: Path) -> Floors:
    return read_floors(path)


def test_the_file_says_all_of_itself(path: Path) -> None:
    with netCDF4.Dataset(path) as file:
        assert file.Conventions.startswith("CF-1")
        settings = json.loads(file.settings)
        assert settings["floors"] == {"state_sizes": [1, 4], "delta": 0.01}
        assert settings["file"] == {"kernel": "impulse", "rho": 9}
        for variable in file.variables.values():
            assert variable.long_name
            assert variable.units == "1"


def test_the_systems_are_those_of_the_bounds(path: Path) -> None:
    with netCDF4.Dataset(path) as file:
        file.set_auto_mask(False)
        k, w = file["memory_function"][:], file["weights"][:]
        for i, n in enumerate(file["state_size"][:]):
            h = file["impulse_response"][i]
            assert file["upper_bound"][i] == pytest.approx(np.sum(w * (k - h) ** 2))
            poles = file["poles_real"][i] + 1j * file["poles_imag"][i]
            assert np.isfinite(poles).sum() == n
            assert np.all(np.abs(poles[:n]) < 1)
        np.testing.assert_allclose(file["fir_floor"][:], [1.0] * 10 + [0.0] * 23)
        assert file["order"][...] == 10


def test_a_model_has_the_floors_of_its_state(floors: Floors) -> None:
    k, w = floors.k, floors.weights
    assert floors.of_model(state_size=4, receptive_field=None) == floors.bounds[4]
    lower, upper = floors.of_model(state_size=3, receptive_field=None)  # not in the file
    assert lower == lower_bound(k, w, 3, feedthrough=True)
    assert upper == upper_bound(k, w, 3, feedthrough=True).error
    for state in (32, 1000, None):
        assert floors.of_model(state_size=state, receptive_field=None) == (0.0, 0.0)


def test_a_receptive_field_has_an_exact_floor(tmp_path: Path) -> None:
    path = tmp_path / "f.nc"
    write_floors(path, task=TASK, settings=SETTINGS, family="polynomial", rho=0.8)
    floors = read_floors(path)
    tail = fir_floor(floors.k, floors.weights, 6)
    assert floors.of_model(state_size=None, receptive_field=6) == (tail, tail)
    assert floors.of_model(state_size=6, receptive_field=6) == (tail, tail)
    # One state, of which six lags are seen: worse than either alone.
    lower, upper = floors.of_model(state_size=1, receptive_field=6)
    assert tail < lower <= upper
    assert floors.of_model(state_size=1, receptive_field=99) == floors.bounds[1]


def test_what_lies_beyond_a_receptive_field_is_lost_whole(floors: Floors) -> None:
    assert floors.of_model(state_size=3, receptive_field=5) == (1.0, 1.0)


def test_a_file_without_floors_is_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.nc"
    with atomic(path) as temporary:
        netCDF4.Dataset(temporary, "w").close()
    with pytest.raises(BrokenFileError, match=r"empty\.nc: not an mfbench floors file"):
        read_floors(path)
    with pytest.raises(OSError, match=r"missing\.nc"):
        read_floors(tmp_path / "missing.nc")
