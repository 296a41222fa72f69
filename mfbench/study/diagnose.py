"""Section `diagnose`: a phase that looks for the cause of each failure by experiment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from mfbench.study.section import Section


class DiagnoseSettings(Section):
    """Runs to add to cells that the study has not solved (docs/theory.md, section 7)."""

    steps: PositiveInt = Field(
        4, ge=2, description="Factor by which some of the runs train longer than the study."
    )
    learning_rates: NonNegativeInt = Field(
        3,
        description="Number of learning rates beyond the edge of the grid at which the best one "
        "lies; 0: none.",
    )
    seeds: NonNegativeInt = Field(2, description="Number of further seeds at the best rate.")
    levels: Literal["first", "all"] = Field(
        "first",
        description="Which unsolved levels of each architecture, width and kernel to diagnose: the "
        "easiest, or all.",
    )
