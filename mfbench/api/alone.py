"""Why members cannot train together, in words that do not take torch.vmap for granted."""

from __future__ import annotations

import re

# What torch says, and what the model does; torch gives these errors no types of their own.
_FOUND = (
    (r"data-dependent control flow", "an if or while that looks at the values of a tensor"),
    (r"calling \.item\(\)", "a tensor that is turned into a Python number"),
    (r"random operation", "random numbers, for example from dropout"),
    (r"output dynamic shape.* over aten::(\w+)", r"{0}, whose result has no fixed shape"),
    (r"Batching rule not implemented for aten::(\w+)", r"{0}, which torch.vmap does not support"),
    (r"autograd\.Function", "an autograd.Function without setup_context and a rule for vmap"),
    (r"data pointer|have storage", "a tensor that leaves torch, for example through numpy()"),
    (r"accessing `data`", "the attribute .data of a tensor"),
    (
        r"vmap: .*\(self.* is not possible",
        "a tensor that all members share and that is changed in place, such as torch.zeros(...)",
    ),
)
_PLACE = re.compile(r" \([^()]+:\d+\)$")


def plain_reason(text: str) -> str:
    """The error of `mfbench.models.ensemble.ensemble_error`, as what was found in the model.

    Parameters
    ----------
    text : str
        Empty if members train together.

    Examples
    --------
    >>> plain_reason("RuntimeError: vmap: called random operation while in ... (mine.py:38)")
    'random numbers, for example from dropout (mine.py:38)'
    """
    place = found[0] if (found := _PLACE.search(text)) else ""
    for pattern, words in _FOUND:
        if said := re.search(pattern, text):
            return words.format(*said.groups()) + place
    return text.removeprefix("ArchitectureError: ")
