"""Arguments that a function does not have: the message names the closest one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from mfbench.words import did_you_mean

F = TypeVar("F", bound=Callable[..., Any])


def keywords_checked(function: F) -> F:
    """Let a function, or the constructor of a class, say which argument was meant.

    Examples
    --------
    >>> @keywords_checked
    ... def train(steps=1):
    ...     pass
    >>> train(step=2)
    Traceback (most recent call last):
    TypeError: train() has no argument step; did you mean steps?
    """
    if isinstance(function, type):
        function.__init__ = _checked(function.__init__, function)  # type: ignore[misc]
        return function
    checked: Any = _checked(function, function)
    return checked  # type: ignore[no-any-return]


def _checked(function: Callable[..., Any], named: Callable[..., Any]) -> Callable[..., Any]:
    names = list(inspect.signature(named).parameters)

    @functools.wraps(function)
    def call(*given: Any, **by_name: Any) -> Any:
        for name in by_name:
            if name not in names:
                meant = did_you_mean(name, names) or f"; it has {', '.join(names)}"
                raise TypeError(f"{named.__name__}() has no argument {name}{meant}")
        return function(*given, **by_name)

    return call
