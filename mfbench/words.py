"""Words for messages: numbers with their nouns, and names close to a misspelt one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """A number with its noun, whose plural has an s.

    Examples
    --------
    >>> counted(1, "job"), counted(2, "job")
    ('1 job', '2 jobs')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The name that is close to a misspelt one, as the end of a message; empty if none is.

    Examples
    --------
    >>> did_you_mean("step", ["steps", "seeds"]), did_you_mean("step", ["width"])
    ('; did you mean steps?', '')
    """
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {close[0]}?" if close else ""
