"""Section `refine`: a second pass with levels around each failure boundary."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from mfbench.study.section import Section


class RefineSettings(Section):
    """Levels that are added once the study's own are evaluated."""

    levels: PositiveInt = Field(
        4,
        description="Number of levels at most that are added within the interval of each failure "
        "boundary, for that architecture, width and kernel alone.",
    )
