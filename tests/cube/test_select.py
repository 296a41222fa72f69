"""Parts of a cube."""

from __future__ import annotations

import json

import pytest

from mfbench.cube.select import nearest_level
from tests.figures.conftest import make_cube, spoil


def test_the_nearest_trained_level_in_the_ratio_of_memory_lengths() -> None:
    cube = make_cube()  # memory lengths 4, 8, 16
    settings = json.loads(cube.attrs["settings"])
    settings["kernels"]["mine"] = settings["kernels"].pop("impulse")  # a name of the user's own
    cube = cube.assign_coords(kernel=["mine", "airy"])
    cube.attrs["settings"] = json.dumps(settings)
    found = nearest_level(cube, family="impulse", memory_length=6)
    assert found.kernel.values == ["mine"]
    assert found.memory_length.values == [[8]]  # 8 / 6 < 6 / 4
    assert found.relative_mse.dims == cube.relative_mse.dims
    spoil(cube, "absent", {"kernel": 0, "level": 1})
    assert nearest_level(cube, family="impulse", memory_length=7).memory_length.values == [[4]]
    with pytest.raises(
        ValueError, match="no kernel of the family polynomial; its families: airy, impulse"
    ):
        nearest_level(cube, family="polynomial", memory_length=7)
