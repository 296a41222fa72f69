"""Predictions by name: each module of this package that defines `PREDICTION`.

The names are read from the files, so the workflow can list them without importing xarray.
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
    """Return the prediction with this name.

    Raises
    ------
    ValueError
        No such prediction; the message lists the names.
    """
    if name not in predictions():
        raise ValueError(f"no prediction named {name!r}; the names are {', '.join(predictions())}")
    found: Prediction = importlib.import_module(f"mfbench.predictions.{name}").PREDICTION
    return found
