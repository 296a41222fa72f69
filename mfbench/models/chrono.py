"""Chrono initialisation of gates: Tallec & Ollivier (2018), arXiv 1804.11188."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import torch
from pydantic import Field
from torch import Tensor

ChronoSteps: TypeAlias = Annotated[int, Field(ge=3)]
"""The longest memory T_max, in steps."""


def chrono_bias(units: int, longest: int) -> Tensor:
    """Biases log(s), s uniform in [1, T_max - 1], of the gates that keep the state.

    A gate at sigmoid(log s) keeps s / (1 + s) of the state per step, a time scale of 1 + s steps.
    """
    return torch.empty(units).uniform_(1, longest - 1).log()
