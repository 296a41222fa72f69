"""Build a model from its settings, and check what every model promises."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mfbench.models.mixer import Mixer
from mfbench.models.model import SequenceModel
from mfbench.models.own_code import own_code
from mfbench.models.registry import load_class, locate


def build_model(settings: Mapping[str, Any], *, width: int, length: int) -> SequenceModel:
    """Build an untrained model, with parameters drawn from torch's global generator.

    Parameters
    ----------
    settings : mapping
        ``model`` (reference) and, where they differ from the model's own, ``layers``, ``norm``,
        ``residual``, ``activation`` and ``options``.
    width : int
        Number of channels C.
    length : int
        Sequence length T in steps.

    Raises
    ------
    ValueError
        Unknown architecture.
    ArchitectureError
        The file cannot be imported, the class is not a Mixer or rejects its options, or its code
        fails in another way.
    """
    mixer = load_mixer(settings["model"])
    with own_code():
        stack = {
            key: settings.get(key, getattr(mixer, key))
            for key in ("layers", "norm", "residual", "activation")
        }
        options = settings.get("options", {})
        return SequenceModel(mixer, width=width, length=length, options=options, **stack)


def load_mixer(reference: str) -> type[Mixer]:
    """The class that a study's ``model`` names.

    Raises
    ------
    ValueError
        Unknown architecture.
    ArchitectureError
        The file cannot be imported, or the class is not a Mixer.
    """
    source = locate(reference)
    with own_code():
        mixer = load_class(source)
        if not (isinstance(mixer, type) and issubclass(mixer, Mixer)):
            raise ValueError(f"{reference} is not a subclass of {Mixer.__module__}.Mixer")
    return mixer


def check_contract(model: SequenceModel, *, length: int) -> None:
    """Check that a model keeps what every model promises.

    Its output has the shape (B, T, 1), is finite, does not depend on the future, is the same for
    the same input, and is linear in the input if the model declares so. The last three are checked
    again with perturbed parameters: a gate that starts at zero hides what it lets through later.

    Raises
    ------
    ArchitectureError
        The model breaks a promise, or its code fails; the message says which.
    """
    with own_code():
        _check_contract(model, length=length)


def _check_contract(model: SequenceModel, *, length: int) -> None:
    if any(p.is_complex() for p in model.parameters()):
        raise ValueError("complex parameters are not supported: store real and imaginary parts")
    model = copy.deepcopy(model).eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, length, 1, generator=generator).to(next(model.parameters()))
    with torch.no_grad():
        y = model(x)
        if not torch.isfinite(y).all():
            raise ValueError("the untrained model returns numbers that are not finite")
        _check_response(model, x)
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter.add_(noise, alpha=0.1)
        _check_response(model, x)


def _check_response(model: SequenceModel, x: Tensor) -> None:
    cut = x.shape[1] // 2
    changed = x.clone()
    changed[:, cut:] += 1.0
    y, again, other = model(x), model(x), model(changed)
    # FFTs spread rounding errors over time; a broken promise shows on the scale of the output.
    tolerance = 1e-4 * (1 + y.abs().max())
    if (y - again).abs().max() > tolerance:
        raise ValueError("the model returns different outputs for the same input")
    leak = (y[:, :cut] - other[:, :cut]).abs().max()
    if leak > tolerance:
        raise ValueError(
            f"the model is not causal: changing x from step {cut} on changed earlier outputs "
            f"by up to {leak:.2g}"
        )
    if model.linear and (model(-2.0 * x) + 2.0 * y).abs().max() > 4 * tolerance:
        raise ValueError("the model declares itself linear, but -2 x does not give -2 y")
