"""The options of an architecture: its constructor's arguments besides those that mfbench gives.

A mixer gets width, layer and length by place. A whole model gets width, length and d_in by name,
where its constructor has them.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any, TypeGuard

import numpy as np
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from torch import nn

from mfbench.models.mixer import Mixer

_GIVEN = 4  # self, width, layer and length of a mixer
_GIVEN_BY_NAME = frozenset({"width", "length", "d_in"})  # of a whole model


class OptionsError(ValueError):
    """An architecture rejects its options: `problems` has their names and messages."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"options.{name}: {message}" for name, message in problems))
        self.problems = problems


def is_mixer(architecture: Callable[..., nn.Module]) -> TypeGuard[type[Mixer]]:
    """Whether it is a class of mixers; otherwise its result is a whole model."""
    return isinstance(architecture, type) and issubclass(architecture, Mixer)


def constructor_parameters(architecture: Callable[..., nn.Module]) -> dict[str, Parameter]:
    """The arguments by name, including a base class's if the constructor takes ``**others``.

    The last one is of the kind VAR_KEYWORD if any other name is accepted too.
    """
    found: dict[str, Parameter] = {}
    rest: list[Parameter] = []
    skipped, functions = 0, [architecture]
    if isinstance(architecture, type):
        skipped = _GIVEN if is_mixer(architecture) else 1
        owners = [o for o in architecture.__mro__ if o not in (nn.Module, object)]
        functions = [vars(owner)["__init__"] for owner in owners if "__init__" in vars(owner)]
    for function in functions:
        parameters = list(_signature(function).parameters.values())
        by_place = [p for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
        by_name = [p for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
        for parameter in [*by_place[skipped:], *by_name]:
            found.setdefault(parameter.name, parameter)
        rest = [p for p in parameters if p.kind is Parameter.VAR_KEYWORD]
        if not rest:
            break
    return found | {p.name: p for p in rest}


def options_of(architecture: Callable[..., nn.Module]) -> dict[str, Parameter]:
    """The options by name."""
    found = constructor_parameters(architecture)
    given = frozenset() if is_mixer(architecture) else _GIVEN_BY_NAME
    return {
        name: p
        for name, p in found.items()
        if name not in given and p.kind is not Parameter.VAR_KEYWORD
    }


def resolved_options(
    architecture: Callable[..., nn.Module], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The options that a study gives, checked, with the defaults of the others.

    Values are checked against annotations that pydantic understands, and returned in the form that
    JSON gives them, as records store them. Defaults that JSON cannot hold are left out. Values that
    JSON cannot hold can only come from Python and stay as they are.

    Raises
    ------
    OptionsError
        An option is unknown or missing, or its annotation excludes its value.
    """
    options = options_of(architecture)
    resolved, problems = dict[str, Any](), list[tuple[str, str]]()
    kinds = {p.kind for p in constructor_parameters(architecture).values()}
    for name in sorted(given.keys() - options.keys()):
        if Parameter.VAR_KEYWORD in kinds and name not in _GIVEN_BY_NAME:
            resolved[name] = given[name]
            continue
        allowed = ", ".join(options) or "none"
        owner = getattr(architecture, "__name__", "it")
        problems.append((name, f"{owner} has no such option; it has: {allowed}"))
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


def arguments(architecture: Callable[..., nn.Module], options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments to call it with: given options, converted to the types of their annotations.

    Options at their default are left out, because JSON may not preserve it (it has no tuples).
    """
    known = options_of(architecture)
    return {
        name: _read(known[name], value) if name in known else value
        for name, value in options.items()
        if name not in known or not _same(value, known[name].default)
    }


def options_schema(architecture: Callable[..., nn.Module]) -> dict[str, Any]:
    """JSON schema of the options."""
    properties = {}
    for name, parameter in options_of(architecture).items():
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
    """The value in JSON's form, or as it is if it has none."""
    adapter = _adapter(parameter)
    if adapter is None:
        return value
    try:
        text = json.dumps(value, default=_numbers)
    except TypeError:  # a class, for example
        text = None
    try:
        if text is None:
            adapter.validate_python(value, strict=True)
            return value
        return adapter.dump_python(adapter.validate_json(text, strict=True), mode="json")
    except ValidationError as error:
        raise ValueError("; ".join(e["msg"] for e in error.errors())) from None


def _numbers(value: Any) -> Any:
    """Python's numbers for numpy's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError


def _read(parameter: Parameter, value: Any) -> Any:
    """The value that a form in JSON stands for."""
    adapter = _adapter(parameter)
    if adapter is None or not _plain(value):
        return value
    try:
        return adapter.validate_json(json.dumps(value), strict=True)
    except ValidationError:  # never checked; the constructor may take it
        return value


def _same(one: Any, other: Any) -> bool:
    """Whether JSON has the same form for both."""
    return _plain(one) and _plain(other) and json.dumps(one) == json.dumps(other)


def _plain(value: Any) -> bool:
    """Whether JSON can hold it."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
