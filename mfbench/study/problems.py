"""What is wrong with a value of a study, and what to write instead."""

from __future__ import annotations

import json
import typing
from types import UnionType
from typing import Annotated, Any

from pydantic import BaseModel

from mfbench.words import did_you_mean

_WORDS = {
    "missing": "this key is required",
    "tuple_type": "write a list of numbers",
    "too_short": "list at least one value",
}


def problem(section: type[BaseModel], error: Any) -> str:
    """One of pydantic's errors in the words of a study.

    Parameters
    ----------
    section : type
        The section, or the study, that was validated.
    error : mapping
        An element of ``ValidationError.errors()``.
    """
    kind, location, given = error["type"], error["loc"], error["input"]
    if kind == "extra_forbidden":
        fields = _fields_at(section, location[:-1])
        meant = did_you_mean(str(location[-1]), fields)
        return f"unknown key; allowed here: {', '.join(fields)}{meant}"
    if kind == "list_type" and type(given) is int and given > 0 and location[-1] == "seeds":
        return f"write a list: {list(range(given))}"
    if kind == "list_type" and isinstance(given, str | int | float):
        return f"write a list: [{given if isinstance(given, str) else json.dumps(given)}]"
    if kind in ("model_type", "model_attributes_type"):
        fields = _fields_at(section, location)
        if "model" in fields and isinstance(given, str):
            return f"write {{model: {given}}}"
        return f"must be a section, with keys such as {', '.join(fields[:3])}"
    message: str = error["msg"]
    return _WORDS.get(kind, message.removeprefix("Value error, "))


def _fields_at(section: Any, location: tuple[int | str, ...]) -> list[str]:
    """Field names of the section at a location."""
    for part in location:
        if isinstance(section, type) and issubclass(section, BaseModel):
            section = section.model_fields[str(part)].annotation
        else:  # a mapping of names to sections
            section = typing.get_args(section)[-1]
        while typing.get_origin(section) in (Annotated, UnionType):
            section = typing.get_args(section)[0]
    return sorted(section.model_fields)
