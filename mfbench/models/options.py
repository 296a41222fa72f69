"""The options of an architecture: its constructor's arguments besides width, layer, length."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from inspect import Parameter
from typing import Any

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from torch import nn

from mfbench.models.mixer import Mixer

_GIVEN = 4  # self, width, layer and length are not options


class OptionsError(ValueError):
    """An architecture rejects its options: `problems` has their names and messages."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"options.{name}: {message}" for name, message in problems))
        self.problems = problems


def options_of(mixer: type[Mixer]) -> dict[str, Parameter]:
    """The options by name, including a base class's if the constructor takes ``**others``."""
    found: dict[str, Parameter] = {}
    for owner in mixer.__mro__:
        if owner is nn.Module or "__init__" not in vars(owner):
            continue
        parameters = list(_signature(vars(owner)["__init__"]).parameters.values())
        by_place = [p for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
        by_name = [p for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
        for parameter in [*by_place[_GIVEN:], *by_name]:
            found.setdefault(parameter.name, parameter)
        if not any(p.kind is Parameter.VAR_KEYWORD for p in parameters):
            break
    return found


def resolved_options(mixer: type[Mixer], given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a study gives, checked, with the defaults of the others.

    Values are checked against annotations that pydantic understands. A default that JSON cannot
    hold is left to the constructor.

    Raises
    ------
    OptionsError
        An option is unknown or missing, or its annotation excludes its value.
    """
    options, resolved, problems = options_of(mixer), dict[str, Any](), list[tuple[str, str]]()
    for name in given.keys() - options.keys():
        allowed = ", ".join(options) or "none"
        problems.append((name, f"{mixer.__name__} has no such option; it has: {allowed}"))
    for name, parameter in options.items():
        if name in given:
            try:
                resolved[name] = _checked(parameter, given[name])
            except ValueError as error:
                problems.append((name, f"{given[name]!r}: {error}"))
        elif parameter.default is Parameter.empty:
            problems.append((name, "this option is required"))
        elif _plain(parameter.default):
            resolved[name] = json.loads(json.dumps(parameter.default))
    if problems:
        raise OptionsError(problems)
    return resolved


def options_schema(mixer: type[Mixer]) -> dict[str, Any]:
    """JSON schema of the options."""
    properties = {}
    for name, parameter in options_of(mixer).items():
        adapter = _adapter(parameter)
        properties[name] = adapter.json_schema() if adapter else {}
        if _plain(parameter.default):
            properties[name]["default"] = parameter.default
    return {"additionalProperties": False, "properties": properties, "type": "object"}


def _signature(init: Any) -> inspect.Signature:
    try:
        return inspect.signature(init, eval_str=True)
    except Exception:  # an annotation may name a type that only type checkers import
        return inspect.signature(init)


def _adapter(parameter: Parameter) -> TypeAdapter[Any] | None:
    annotation = parameter.annotation
    if annotation is Parameter.empty or isinstance(annotation, str):
        return None
    try:
        return TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))
    except (PydanticUserError, TypeError, NameError):
        return None


def _checked(parameter: Parameter, value: Any) -> Any:
    adapter = _adapter(parameter)
    if adapter is None:
        return value
    try:
        read = adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        raise ValueError("; ".join(e["msg"] for e in error.errors())) from None
    return adapter.dump_python(read, mode="json")


def _plain(value: Any) -> bool:
    """Whether JSON can hold it."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
