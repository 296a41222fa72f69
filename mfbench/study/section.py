"""Base class and types for all sections of a study."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

T = TypeVar("T", bound=Hashable)
V = TypeVar("V")


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


def _given(value: Any) -> Any:
    if value is None:
        raise ValueError("null is not allowed: leave the key out for its default")
    return value


class _WithoutNull:
    """Leave null out of the JSON schema."""

    @staticmethod
    def __get_pydantic_json_schema__(core: Any, schema_of: Any) -> dict[str, Any]:
        first, _ = schema_of(core)["anyOf"]
        return dict(first)


# A key that may be left out, but not be null.
Omissible = Annotated[V | None, BeforeValidator(_given), _WithoutNull()]

# A seed that NetCDF, numpy and torch all accept.
Seed = Annotated[int, Field(ge=0, lt=2**63)]

# A name becomes part of file names and wildcards.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$", max_length=64)]
