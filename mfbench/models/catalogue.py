"""The page docs/architectures.md, from the code of the registered architectures.

Usage: python -m mfbench.models.catalogue docs/architectures.md

The docstring of a file has the paper in its first paragraph, then equations and remarks, and lines
that start with ``State:`` (the formula of its size, if it is fixed) and ``Oracle:`` (what its tests
compare it with). All else is read from the class, or measured on a model.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

from torch import nn

from mfbench.files import write_text
from mfbench.models.build import STACK, build_model
from mfbench.models.cost import multiply_adds
from mfbench.models.matching import size_of
from mfbench.models.options import is_mixer
from mfbench.models.registry import load_class, locate, registered

WIDTH, LENGTH = 16, 64
_SAID = re.compile(r"^(State|Oracle): (.+)\n?", re.MULTILINE)
_HEAD = f"""# Architectures

`python -m mfbench.models.catalogue docs/architectures.md` makes this page from the files in
`mfbench/models/architectures/`. A mixer stands in a stack (encoder, `layers` mixers, decoder), to
which a study can add norms, residual connections and an activation; a whole model has no stack.

The table has sizes with all defaults at width {WIDTH}: trained parameters, numbers carried from
step to step (– if their number is not fixed), receptive field in steps, and multiply-adds per step
(of products, convolutions and transforms, at T = {LENGTH}).

| architecture | parameters | state | receptive field | multiply-adds | linear | step by step |
|---|---|---|---|---|---|---|
"""


def page() -> str:
    """The whole page, in Markdown."""
    names = sorted(registered())
    rows = "".join(_row(name) for name in names)
    return _HEAD + rows + "".join(_section(name) for name in names)


def _row(name: str) -> str:
    model = build_model({"model": name}, width=WIDTH, length=LENGTH)
    steps = any(part.recur is not None for part in model.parts())
    cells = (
        f"[{name}](#{name})",
        f"{size_of(model, 'parameters'):,}",
        "–" if model.state_size is None else f"{model.state_size:,}",
        "all" if model.receptive_field is None else f"{model.receptive_field:,}",
        f"{multiply_adds(model, LENGTH):,.0f}",
        "yes" if model.linear else "no",
        "yes" if steps else "no",
    )
    return f"| {' | '.join(cells)} |\n"


def _section(name: str) -> str:
    architecture = load_class(locate(name))
    module = inspect.getmodule(architecture)
    doc = inspect.cleandoc(getattr(module, "__doc__", "") or "")
    said = dict(re.findall(_SAID, doc))
    paper, *rest = [
        paragraph for p in re.sub(_SAID, "", doc).split("\n\n") if (paragraph := p.strip())
    ]
    text = "\n\n".join(_block(paragraph) for paragraph in rest)
    stack = "a whole model"
    if is_mixer(architecture):
        stack = ", ".join(f"{key} = {_shown(getattr(architecture, key))}" for key in STACK)
    items = [
        f"State: {said.get('State', 'no fixed size')}",
        f"Options: {_options(architecture) or 'none'}",
        f"Stack: {stack}",
        f"Details: {_joined(inspect.getdoc(architecture) or '')}",
        f"Oracle: {said['Oracle']}",
    ]
    return f"\n## {name}\n\n{_linked(_joined(paper))}\n\n{text}\n\n" + "".join(
        f"- {i}\n" for i in items
    )


def _options(architecture: type[nn.Module] | Callable[..., nn.Module]) -> str:
    parameters = inspect.signature(architecture).parameters.values()
    own = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    return ", ".join(f"`{p.name}` = {_shown(p.default)}" for p in own)


def _shown(value: Any) -> str:
    return "yes" if value is True else "no" if value is False else f"{value}"


def _block(paragraph: str) -> str:
    """Equations as a block of code, everything else as it is."""
    return f"```\n{paragraph}\n```" if "=" in paragraph else paragraph


def _joined(text: str) -> str:
    return " ".join(text.split())


def _linked(text: str) -> str:
    """References to arXiv and DOIs as links."""
    text = re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)
    return re.sub(r"doi (10\.\S+\w)", r"[doi \1](https://doi.org/\1)", text)


if __name__ == "__main__":
    write_text(sys.argv[1], page())
