"""From the settings of a study's cell to a model, with a check of what every model promises."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from mfbench.architectures.mixer import Mixer
from mfbench.architectures.model import SequenceModel
from mfbench.architectures.registry import load_class, locate


def build_model(settings: Mapping[str, Any], *, width: int, length: int) -> SequenceModel:
    """An untrained model; parameters are drawn from torch's global generator.

    Parameters
    ----------
    settings : mapping
        ``model`` (reference), ``layers``, ``norm``, ``residual``, ``activation``, ``options``.
    width : int
        Number of channels C.
    length : int
        Sequence length T in steps.

    Raises
    ------
    ValueError
        Unknown architecture, a class that is no Mixer, or options that it refuses.
    """
    mixer = load_class(locate(settings["model"]))
    if not (isinstance(mixer, type) and issubclass(mixer, Mixer)):
        raise ValueError(f"{settings['model']} is not a subclass of {Mixer.__module__}.Mixer")
    stack = {key: settings[key] for key in ("layers", "norm", "residual", "activation")}
    return SequenceModel(mixer, width=width, length=length, options=settings["options"], **stack)


def check_contract(model: SequenceModel, *, length: int) -> None:
    """Make sure that a model returns (B, T, 1), finite numbers, and nothing from the future.

    Raises
    ------
    ValueError
        It does not; the message says which.
    """
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, length, 1, generator=generator).to(next(model.parameters()))
    cut = length // 2
    changed = x.clone()
    changed[:, cut:] += 1.0
    with torch.no_grad():
        y, other = model(x), model(changed)
    if y.shape != x.shape:
        raise ValueError(f"the model maps {tuple(x.shape)} to {tuple(y.shape)}, not to (B, T, 1)")
    if not torch.isfinite(y).all():
        raise ValueError("the untrained model returns numbers that are not finite")
    leak = (y[:, :cut] - other[:, :cut]).abs().max()
    # FFTs spread rounding errors over time; a leak of the input is of the output's own size.
    if leak > 1e-4 * (1 + y.abs().max()):
        raise ValueError(
            f"the model is not causal: changing x from step {cut} on changed earlier outputs "
            f"by up to {leak:.2g}"
        )
