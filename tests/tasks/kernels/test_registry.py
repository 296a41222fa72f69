"""A family is one addition: a file with `FAMILY`."""

from __future__ import annotations

import numpy as np
import pytest

from mfbench.tasks.kernels.registry import families, family


@pytest.mark.parametrize("name", families())
def test_every_family_describes_itself(name: str) -> None:
    member = family(name)
    assert member.formula
    assert member.knob
    grid = member.grid(64)
    for rho in grid:
        member.check(rho)  # the grid stays inside the domain
    direction = np.sign(np.diff(grid))
    assert np.all(direction == (1 if member.harder_when_larger else -1))


def test_unknown_family_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match="no kernel family named 'gauss'; there are: airy, exp"):
        family("gauss")
