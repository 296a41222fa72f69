"""Section `pilot`: a first phase that chooses the learning rates of the study."""

from __future__ import annotations

from pydantic import Field, PositiveInt

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
