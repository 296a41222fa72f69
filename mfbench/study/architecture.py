"""Section `architectures`: which models, at which widths, with which options."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from mfbench.models.registry import locate
from mfbench.study.section import Distinct, Omissible, Section
from mfbench.study.training import TrainingChanges


class MatchSettings(Section):
    """The size that a model should have; the width follows from it."""

    parameters: Omissible[PositiveInt] = Field(None, description="Number of trained parameters.")
    state: Omissible[PositiveInt] = Field(None, description="Number of reals in the state.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.parameters is None) == (self.state is None):
            raise ValueError("give either parameters or state")
        return self


class ArchitectureSettings(Section):
    """One architecture of a study; omitted keys take the architecture's own defaults."""

    model: str = Field(
        "",
        description="A registered name, the name of an installed package's entry point, or "
        "path/to/file.py:Class; default: the entry's name.",
    )
    widths: Annotated[list[PositiveInt], Field(min_length=1), Distinct] = Field(
        [16], description="Numbers of channels."
    )
    match: MatchSettings | None = Field(
        None,
        description="Instead of widths: a size, for which mfbench finds the width; default: the "
        "study's `match`.",
    )
    layers: Omissible[PositiveInt] = Field(None, description="Number of mixers in the stack.")
    norm: Omissible[Literal["none", "layer", "rms"]] = Field(
        None,
        description="Normalisation before every mixer; in a transformer, whose mixers have their "
        "own norms, only after the last mixer.",
    )
    residual: Omissible[bool] = Field(
        None, description="Whether a layer adds its input to its output."
    )
    activation: Omissible[Literal["none", "relu", "gelu", "silu", "tanh"]] = Field(
        None, description="Pointwise nonlinearity after every mixer."
    )
    options: dict[str, Any] = Field({}, description="The architecture's own options.")
    training: TrainingChanges = Field(
        TrainingChanges(), description="Changes to the training section for this architecture."
    )

    @field_validator("model")
    @classmethod
    def _known(cls, model: str) -> str:
        locate(model)
        return model

    @model_validator(mode="after")
    def _widths_or_match(self) -> Self:
        if self.match and "widths" in self.model_fields_set:
            raise ValueError("give either widths or match")
        return self

    def entry(self, length: int, *, d_in: int = 1) -> dict[str, Any]:
        """Return this architecture as `build_models` takes it."""
        chosen = self.model_dump(include={"layers", "norm", "residual", "activation"})
        return {
            "model": self.model,
            "stack": {key: value for key, value in chosen.items() if value is not None},
            "options": self.options,
            "widths": self.widths,
            "match": self.match.model_dump(exclude_none=True) if self.match else None,
            "length": length,
            **({} if d_in == 1 else {"d_in": d_in}),
        }
