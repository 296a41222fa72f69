"""A family is one file that defines `FAMILY`."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.tasks.kernels.lookup import families, family


@pytest.mark.parametrize("name", families())
def test_every_family_describes_itself(name: str) -> None:
    member = family(name)
    assert member.formula
    assert member.knob
    grid = member.points(64)
    for rho in grid:
        member.check(rho)  # the grid stays inside the domain
    direction = np.sign(np.diff(grid))
    assert np.all(direction == (1 if member.harder_when_larger else -1))


def test_an_unknown_family_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match="no kernel family named 'gauss'; choose from airy, damped"
    ):
        family("gauss")
