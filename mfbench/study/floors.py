"""Section `floors`: for which state sizes the least possible error is computed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from mfbench.study.section import Distinct, Section


class FloorSettings(Section):
    """Floors of every task; those of other state sizes are computed when a model has them."""

    state_sizes: Annotated[list[PositiveInt], Field(min_length=1), Distinct] = Field(
        [1, 2, 4, 8, 16, 32, 64], description="State sizes whose floors are kept with the task."
    )
    delta: PositiveFloat = Field(
        0.01, description="Relative disturbance of each term in the delta-stable floors."
    )
