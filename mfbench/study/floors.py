"""Section `floors`: the state sizes whose lowest possible errors are computed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from mfbench.study.section import Distinct, Section


class FloorSettings(Section):
    """Floors of every task; floors of other state sizes are computed when a model needs them."""

    state_sizes: Annotated[list[PositiveInt], Field(min_length=1), Distinct] = Field(
        [1, 2, 4, 8, 16, 32, 64], description="State sizes whose floors are stored for every task."
    )
    delta: PositiveFloat = Field(
        0.01, description="Relative disturbance of each term in the delta-stable floors."
    )
