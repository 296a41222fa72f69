"""Read study files strictly: YAML 1.2, no duplicate keys, and the place of every key.

PyYAML parses the text. This module gives plain scalars their values, by the core schema of
YAML 1.2. It refuses scalars that YAML 1.1 reads differently (010, yes), because editors and
Snakemake use YAML 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
_OTHER_IN_1_1 = re.compile(r"yes|no|on|off", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+(\..*)?")
_SUFFIXES = (".yaml", ".yml", ".json")
_DEPTH = 20  # deeper means an alias that contains itself

Location = tuple[str | int, ...]
"""Keys and indices from the top of a study to a value."""


class StudyError(ValueError):
    """An invalid study; the message names places, keys and what is allowed."""


@dataclass(frozen=True)
class Document:
    """The content of a study file.

    Attributes
    ----------
    content : dict
        Its keys and values.
    origin : str
        Name of its source in messages.
    places : mapping
        File, line and column of each key and list item, as ``study.yaml:3:5``.
    """

    content: dict[str, Any]
    origin: str
    places: Mapping[Location, str] = field(default_factory=dict)

    def place(self, location: Location) -> str:
        """The place of a value, or else of the innermost section around it; empty if unknown."""
        while location and location not in self.places:
            location = location[:-1]
        return self.places.get(location, "")


def read_documents(
    paths: Iterable[str | Path], settings: Iterable[str] = (), *, flag: str = "--config"
) -> Document:
    """Read study files; later files add to earlier ones and replace their values, key by key.

    Parameters
    ----------
    paths : iterable of path
        YAML files.
    settings : iterable of str
        Values from the command line, as ``key=value`` with a value in YAML; they come last.
    flag : str
        The option of the command line that gives these values, for messages.

    Raises
    ------
    StudyError
        A file cannot be read or is not strict YAML; the message has file, line and column.
    """
    read = [_read(path) for path in paths]
    origin = " + ".join(document.origin for document in read)
    for setting in settings:
        key, _, value = setting.partition("=")
        read.append(_parse(f"{key}: {value}", f"{flag} {key}"))
    content: dict[str, Any] = {}
    places: dict[Location, str] = {}
    for document in read:
        _add(content, document.content)
        places |= document.places
    return Document(content, origin, places)


def _add(content: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict):
            _add(content[key], value)
        else:
            content[key] = value


def _read(path: str | Path) -> Document:
    try:
        return _parse(_text(path), str(path))
    except StudyError:
        if Path(path).is_file() and Path(path).suffix not in _SUFFIXES:
            raise StudyError(f"{path} is not a study file{_instead(path)}") from None
        raise


def _text(path: str | Path) -> str:
    try:
        data = Path(path).read_bytes()
    except IsADirectoryError:
        raise StudyError(f"{path} is a folder{_instead(path)}") from None
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}{_instead(path)}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        raise StudyError(f"{path}:{line}: save the file as UTF-8 (found byte {byte:#x})") from None


def _instead(path: str | Path) -> str:
    """Which study file there is in the folder, or how to get one."""
    folder = path if Path(path).is_dir() else Path(path).parent
    there = sorted(file for file in Path(folder).glob("*.yaml") if file.is_file())
    if there:
        more = ", ..." if there[3:] else ""
        return f": give a study (YAML); here: {', '.join(map(str, there[:3]))}{more}"
    return ": give a study (YAML); `mfbench new study NAME` writes one"


def _parse(text: str, origin: str) -> Document:
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        place = _place(origin, error.problem_mark or error.context_mark)
        start = error.context_mark
        where = f" {error.context} from line {start.line + 1}" if error.context and start else ""
        problem = f"{error.problem}".replace("'<stream end>'", "the end of the file")
        raise StudyError(f"{place}: not valid YAML{where}: {problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise StudyError(f"{origin}:{line}: not valid YAML: {error.reason}") from None
    if not isinstance(node, yaml.MappingNode):
        raise StudyError(f"{origin} must hold keys with values, such as `name: my-study`")
    places: dict[Location, str] = {}
    return Document(_value(node, (), origin, places), origin, places)


def _value(node: yaml.Node, at: Location, origin: str, places: dict[Location, str]) -> Any:
    place = _place(origin, node.start_mark)
    if len(at) > _DEPTH:
        raise StudyError(f"{place}: nested too deeply")
    if node.tag not in _PLAIN_TAGS:
        raise StudyError(f"{place}: tags such as {_shown(node.tag)} are not allowed")
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if _merges(key_node):  # first, so that the mapping's own keys replace merged ones
                merged = _value(value_node, at, origin, places)
                if not isinstance(merged, dict):
                    raise StudyError(f"{place}: << takes one alias of a mapping, as in <<: *name")
                content |= merged
        for key_node, value_node in node.value:
            if _merges(key_node):
                continue
            key = _key(key_node, origin)
            if key in lines:
                raise StudyError(
                    f"{_place(origin, key_node.start_mark)}: the key {key!r} is given twice, "
                    f"first in line {lines[key]}"
                )
            lines[key] = key_node.start_mark.line + 1
            places[*at, key] = _place(origin, key_node.start_mark)
            content[key] = _value(value_node, (*at, key), origin, places)
        return content
    if isinstance(node, yaml.SequenceNode):
        items = []
        for i, item in enumerate(node.value):
            places[*at, i] = _place(origin, item.start_mark)
            items.append(_value(item, (*at, i), origin, places))
        return items
    assert isinstance(node, yaml.ScalarNode)
    return _plain(node.value, place) if node.style is None else node.value


_PLAIN_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str")}


def _merges(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and node.style is None


def _key(node: yaml.Node, origin: str) -> str:
    place = _place(origin, node.start_mark)
    if not isinstance(node, yaml.ScalarNode):
        raise StudyError(f"{place}: a key must be text, not a list or a mapping")
    key = _value(node, (), origin, {})
    if not isinstance(key, str):
        raise StudyError(f"{place}: {node.value} is not text: write the name in quotes")
    return key


def _plain(text: str, place: str) -> Any:
    """The value of an unquoted scalar."""
    if _OTHER_IN_1_1.fullmatch(text):
        raise StudyError(
            f"{place}: {text} is a name to some readers of YAML and a truth value to others: "
            "write the name in quotes, or true or false"
        )
    if _LEADING_ZERO.fullmatch(text):
        raise StudyError(
            f"{place}: {text} is octal to some readers of YAML: write it without a leading zero, "
            "or in quotes if it is a name"
        )
    lower = text.lower()
    if text in (lower, lower.capitalize(), text.upper()) and lower in _WORDS:
        return _WORDS[lower]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(lower):
        return float(lower.replace(".inf", "inf").replace(".nan", "nan"))
    return text


def _place(origin: str, mark: yaml.Mark | None) -> str:
    if mark is None or origin.startswith("--"):
        return origin
    return f"{origin}:{mark.line + 1}:{mark.column + 1}"


def _shown(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")
