"""Section `architectures`: which models, at which widths, with which options."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, field_validator

from mfbench.models.registry import locate
from mfbench.study.section import Distinct, Omissible, Section
from mfbench.study.training import TrainingChanges


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
    layers: Omissible[PositiveInt] = Field(None, description="Number of mixers in the stack.")
    norm: Omissible[Literal["none", "layer", "rms"]] = Field(
        None, description="Normalisation before every mixer."
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

    def entry(self, length: int, *, d_in: int = 1) -> dict[str, Any]:
        """Return this architecture as `build_models` takes it."""
        chosen = self.model_dump(include={"layers", "norm", "residual", "activation"})
        return {
            "model": self.model,
            "stack": {key: value for key, value in chosen.items() if value is not None},
            "options": self.options,
            "widths": self.widths,
            "length": length,
            **({} if d_in == 1 else {"d_in": d_in}),
        }
