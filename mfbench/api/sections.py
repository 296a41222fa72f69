"""Settings given as arguments, checked as in a study file, with errors of one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from mfbench.study.problems import problem
from mfbench.study.section import Section

S = TypeVar("S", bound=Section)


def checked(section: type[S], given: Mapping[str, Any]) -> S:
    """A section of a study.

    Raises
    ------
    ValueError
        A value is not allowed; the message names its argument.
    """
    try:
        return section.model_validate(given)
    except ValidationError as error:
        said = [
            ".".join(map(str, each["loc"])) + (": " if each["loc"] else "") + problem(section, each)
            for each in error.errors()
        ]
        raise ValueError("; ".join(said)) from None


def seed_list(seeds: int | Sequence[int]) -> list[int]:
    """Seeds as a list; a number n stands for 0 to n - 1."""
    if isinstance(seeds, int | np.integer):
        return list(range(seeds))
    return list(np.atleast_1d(seeds).tolist())
