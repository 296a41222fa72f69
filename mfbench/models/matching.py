"""Find the width at which a model has a wanted size."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from mfbench.models.ensemble import trained_parameters
from mfbench.models.model import Model
from mfbench.models.own_code import ArchitectureError

Size = Literal["parameters", "state"]

_NAMES: dict[Size, str] = {"parameters": "parameters", "state": "numbers in the state"}
_RATIO = 1.5  # largest mismatch to accept: with four heads, only every eighth width can be built
_WIDE = 64  # from here on, a size that stops growing is constant; below, rounding can hide growth
_NEIGHBOURS = 64  # widths to try in a row: heads and groups divide at least one of them


def size_of(model: Model, kind: Size) -> int:
    """The number of trained parameters, or of reals in the state.

    Raises
    ------
    ValueError
        The state has no fixed size.
    """
    if kind == "parameters":
        return sum(parameter.numel() for parameter in trained_parameters(model).values())
    if model.state_size is None:
        raise ValueError("its state has no fixed size: match parameters, or list widths")
    return model.state_size


def matching_width(build: Callable[[int], Model], *, kind: Size, wanted: int) -> int:
    """The width whose size has the ratio to the wanted one that is closest to 1.

    Parameters
    ----------
    build : callable
        Builds the model at a width; raises ArchitectureError at a width that it refuses.
    kind : str
        Which size.
    wanted : int

    Raises
    ------
    ValueError
        All widths miss the wanted size by more than a factor of 1.5, or it has no fixed state.
    ArchitectureError
        The model cannot be built at any of the first widths.
    """

    def first(width: int) -> tuple[int, int]:
        """The next width that can be built, and its size."""
        for candidate in range(width, width + _NEIGHBOURS):
            with suppress(ArchitectureError):
                return candidate, size_of(build(candidate), kind)
        return width, size_of(build(width), kind)  # raises, as before

    below = above = first(1)
    while above[1] < wanted:
        below, above = above, first(2 * above[0])
        if above[1] == below[1] and above[0] >= _WIDE:
            raise ValueError(
                f"the {_NAMES[kind]} ({above[1]}) do not depend on the width: set its options, and "
                "list widths"
            )
    end = above[0]
    while end - below[0] > 1:
        middle = first((below[0] + end) // 2)
        if middle[0] >= above[0]:  # no width from there on can be built
            end = (below[0] + end) // 2
        elif middle[1] < wanted:
            below = middle
        else:
            above, end = middle, middle[0]
    width, size = min((below, above), key=lambda found: abs(math.log(max(1, found[1]) / wanted)))
    if not 1 / _RATIO <= size / wanted <= _RATIO:
        raise ValueError(
            f"no width has {wanted} {_NAMES[kind]}: the closest is width {width} with {size}; "
            "change its layers or options, or list widths"
        )
    return width
