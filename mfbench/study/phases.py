"""Sections `pilot`, `refine` and `diagnose`: phases before and after the study's own cells."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from mfbench.study.section import Section, Seed


class PilotSettings(Section):
    """A run at each learning rate for each architecture, width and kernel, to keep the best ones.

    The runs have the longest budget and the kernel's middle level, the easier one of two.
    """

    seed: Seed = Field(1000, description="Seed of the pilot, which no member of the study has.")
    keep: PositiveInt = Field(
        3,
        description="Number of neighbouring learning rates to keep, the best one in the middle.",
    )


class RefineSettings(Section):
    """Levels to add once the study's own levels are evaluated."""

    levels: PositiveInt = Field(
        4,
        description="Maximum number of levels to add within the interval of each failure boundary, "
        "only for its architecture, width and kernel.",
    )


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
