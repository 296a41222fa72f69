"""Build a model from its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import nn
from torch.nn.parameter import is_lazy

from mfbench.models.mixer import Mixer
from mfbench.models.model import Model, SequenceModel
from mfbench.models.options import arguments, constructor_parameters, is_mixer
from mfbench.models.own_code import own_code
from mfbench.models.registry import load_class, locate
from mfbench.models.whole import WholeModel

Architecture: TypeAlias = type[Mixer] | Callable[..., nn.Module]
"""A subclass of Mixer, or a class or function whose result is a whole model."""

STACK = ("layers", "norm", "residual", "activation")
"""Settings of the stack of mixers, which a whole model does not have."""


def build_model(settings: Mapping[str, Any], *, width: int, length: int, d_in: int = 1) -> Model:
    """Build an untrained model, with parameters drawn from torch's global generator.

    Parameters
    ----------
    settings : mapping
        ``model`` (a reference, or a class or function itself) and, where they differ from the
        model's own, ``options`` and, for a stack of mixers, ``layers``, ``norm``, ``residual``,
        ``activation``.
    width : int
        Number of channels C.
    length : int
        Sequence length T in steps.
    d_in : int
        Number of input channels.

    Raises
    ------
    ValueError
        Unknown architecture.
    ArchitectureError
        The file cannot be imported, names no module or rejects its options, or its code fails in
        another way.
    """
    architecture = load_architecture(settings["model"])
    model: Model
    with own_code():
        options = arguments(architecture, settings.get("options", {}))
        if is_mixer(architecture):
            stack = {key: settings.get(key, getattr(architecture, key)) for key in STACK}
            model = SequenceModel(
                architecture, width=width, length=length, d_in=d_in, options=options, **stack
            )
        else:
            if wrong := sorted(settings.keys() & set(STACK)):
                raise ValueError(f"{', '.join(wrong)}: {no_stack(architecture)}")
            named = constructor_parameters(architecture)
            sizes = {"width": width, "length": length, "d_in": d_in}
            given = {key: size for key, size in sizes.items() if key in named}
            module = architecture(**given, **options)
            _refuse_others(module, settings["model"])
            model = WholeModel(module, width=width, d_in=d_in)
        if lazy := [name for name, p in model.root.named_parameters() if is_lazy(p)]:
            raise ValueError(
                f"{', '.join(lazy)} has no shape before the first input: give all sizes in the "
                "constructor, as in nn.Linear for nn.LazyLinear"
            )
    return model


def load_architecture(reference: str | Architecture) -> Architecture:
    """The class or function that a study's ``model`` names; in Python it may be given itself.

    Raises
    ------
    ValueError
        Unknown architecture.
    ArchitectureError
        The file cannot be imported, or has no such class or function.
    """
    source = locate(reference) if isinstance(reference, str) else None
    with own_code():
        found: Any = reference if source is None else load_class(source)
        if isinstance(found, nn.Module):
            raise ValueError(
                f"{reference} is a module that is built already: name its class, or a function "
                "that returns it, because every seed needs weights of its own"
            )
        is_class = isinstance(found, type)
        if not (issubclass(found, nn.Module) if is_class else callable(found)):
            raise ValueError(
                f"{reference} is neither a subclass of torch.nn.Module nor a function that "
                "returns a module"
            )
    return found


def name_of(reference: str | Architecture) -> str:
    """The reference, or the name of a class or function, for messages."""
    return reference if isinstance(reference, str) else getattr(reference, "__name__", "model")


def no_stack(architecture: Architecture) -> str:
    """Why a whole model has no settings of a stack."""
    name = getattr(architecture, "__name__", "it")
    return (
        f"{name} is a whole model, and this setting shapes the stack around a "
        f"{Mixer.__module__}.Mixer; make it an option of the constructor of {name}"
    )


def _refuse_others(module: object, reference: str) -> None:
    if isinstance(module, Mixer):
        raise ValueError(f"{reference} returns a Mixer: name its class")
    if not isinstance(module, nn.Module):
        raise ValueError(f"{reference} returns {type(module).__name__}, not a torch.nn.Module")
