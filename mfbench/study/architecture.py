"""Section `architectures`: which models, at which widths, with which options."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    create_model,
    model_validator,
)

from mfbench.models.registry import Source, declaration, locate, registered
from mfbench.study.section import Distinct, Section
from mfbench.study.training import TrainingChanges


def options_model(source: Source) -> type[BaseModel]:
    """The options of an architecture as a pydantic model, read from its source."""
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    fields: dict[str, Any] = declaration(source).options
    return create_model(source.reference, __config__=config, **fields)


def _options_by_model(schema: dict[str, Any]) -> None:
    """Let editors complete the options of each registered architecture."""
    schema["allOf"] = []
    for name, source in registered().items():
        options = options_model(source).model_json_schema()
        options.pop("title", None)
        condition = {"properties": {"model": {"const": name}}, "required": ["model"]}
        then = {"properties": {"options": options}}
        schema["allOf"].append({"if": condition, "then": then})


class ArchitectureSettings(Section):
    """One architecture of a study; omitted keys take the architecture's own defaults."""

    model_config = ConfigDict(json_schema_extra=_options_by_model)

    model: str = Field(
        "", description="A registered name or path/to/file.py:Class; default: the entry's name."
    )
    widths: Annotated[list[PositiveInt], Field(min_length=1), Distinct] = Field(
        [16], description="Numbers of channels."
    )
    layers: PositiveInt | None = Field(None, description="Number of mixers in the stack.")
    norm: Literal["none", "layer", "rms"] | None = Field(
        None, description="Normalisation before every mixer."
    )
    residual: bool | None = Field(None, description="Whether a layer adds its input to its output.")
    activation: Literal["none", "relu", "gelu", "silu", "tanh"] | None = Field(
        None, description="Pointwise nonlinearity after every mixer."
    )
    options: dict[str, Any] = Field({}, description="The architecture's own options.")
    training: TrainingChanges = Field(
        TrainingChanges(), description="Changes to the training section for this architecture."
    )

    @model_validator(mode="after")
    def _known_options(self) -> Self:
        if self.model:
            self._checked_options()
        return self

    def _checked_options(self) -> dict[str, Any]:
        model = options_model(locate(self.model))
        try:
            return model.model_validate(self.options).model_dump()
        except ValidationError as error:
            problems = []
            for e in error.errors():
                key = "options." + ".".join(map(str, e["loc"]))
                if e["type"] == "extra_forbidden":
                    allowed = ", ".join(model.model_fields) or "none"
                    problems.append(f"{key}: {self.model} has no such option; it has: {allowed}")
                else:
                    problems.append(f"{key} = {e['input']!r}: {e['msg']}")
            raise ValueError("; ".join(problems)) from None

    def resolved(self) -> dict[str, Any]:
        """All settings of the model except its width, with defaults filled in."""
        stack = declaration(locate(self.model)).stack
        given = {key: getattr(self, key) for key in stack}
        chosen = {k: stack[k][1] if v is None else v for k, v in given.items()}
        return {"model": self.model, **chosen, "options": self._checked_options()}
