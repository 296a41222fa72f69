"""Section `refine`: a second phase with levels around each failure boundary."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from mfbench.study.section import Section


class RefineSettings(Section):
    """Levels to add once the study's own levels are evaluated."""

    levels: PositiveInt = Field(
        4,
        description="Maximum number of levels to add within the interval of each failure boundary, "
        "only for its architecture, width and kernel.",
    )
