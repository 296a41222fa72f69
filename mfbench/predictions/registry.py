"""Predictions by name: every module beside this one that defines `PREDICTION` is one.

They are found by file name and imported one at a time, so that the workflow knows their names
without importing xarray.
"""

from __future__ import annotations

import functools
import importlib
from pathlib import Path

from mfbench.predictions.prediction import Prediction


@functools.cache
def predictions() -> tuple[str, ...]:
    """Names of the registered predictions, in alphabetical order."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return tuple(f.stem for f in files if "\nPREDICTION = " in f.read_text(encoding="utf-8"))


def prediction(name: str) -> Prediction:
    """The prediction of that name.

    Raises
    ------
    ValueError
        No such prediction; the message lists those there are.
    """
    if name not in predictions():
        raise ValueError(f"no prediction named {name!r}; there are: {', '.join(predictions())}")
    found: Prediction = importlib.import_module(f"mfbench.predictions.{name}").PREDICTION
    return found
