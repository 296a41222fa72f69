"""``mfbench new``: a commented file to start from."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Annotated, Literal

import typer

from mfbench.commands.output import say

EXAMPLES = (
    "mfbench new study my-study",
    "mfbench new architecture mine",
    "mfbench new kernel bell",
)
_TEMPLATES = Path(__file__).parent / "templates"
_NEXT = {
    "study": "mfbench run $name.yaml",
    "architecture": "mfbench check $name.py:$class",
    "kernel": "mfbench floors --kernel $name.py:FAMILY --memory-length 16",
}


def run(
    kind: Annotated[
        Literal["study", "architecture", "kernel"],
        typer.Argument(metavar="KIND", help="What to write: study, architecture or kernel."),
    ],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Its name; the file is NAME.yaml or NAME.py.")
    ],
) -> None:
    """Write a commented file to start from.

    It goes into the current folder and runs as it is. Files are never overwritten.
    """
    suffix = ".yaml" if kind == "study" else ".py"
    name = name.removesuffix(suffix)
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise typer.BadParameter(f"{name!r}: use letters, digits, _ and -, and begin with a letter")
    path = Path(name + suffix)
    if path.exists():
        raise ValueError(f"{path} exists: choose another name, or remove it first")
    title = "".join(w[0].upper() + w[1:] for w in re.findall(r"[A-Za-z0-9]+", name))
    words = {"name": name, "class": title}
    (template,) = _TEMPLATES.glob(f"{kind}.*")
    path.write_text(Template(template.read_text()).substitute(words))
    say(f"Wrote {path}. Next: {Template(_NEXT[kind]).substitute(words)}")
