"""Build a model from its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
