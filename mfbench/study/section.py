"""What all sections of a study share."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

T = TypeVar("T", bound=Hashable)


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, and instances are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _distinct(values: Sequence[T]) -> Sequence[T]:
    twice = sorted({str(v) for v in values if list(values).count(v) > 1})
    if twice:
        raise ValueError(f"listed more than once: {', '.join(twice)}")
    return sorted(values)  # type: ignore[type-var]


# A list without duplicates, sorted: its order means nothing, so reordering it reruns nothing.
Distinct = AfterValidator(_distinct)

# A name becomes part of file names and wildcards.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=64)]
