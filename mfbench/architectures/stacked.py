"""Many models of one kind as one: the members of a stacked ensemble.

torch.vmap carries the members' axis through everything that has a rule for it. Loops over steps
and attention have none that is fast: they get the whole axis at once, by `over_members`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, vmap

from mfbench.architectures.mixer import Mixer
from mfbench.architectures.model import SequenceModel
from mfbench.architectures.own_code import of_the_machine


class _OverMembers(torch.autograd.Function):
    """Takes a function out of vmap; what it does there is recorded by autograd as usual."""

    @staticmethod
    def forward(*_: Any) -> Tensor:
        raise RuntimeError("only a mixer in a stack (Mixer.stacked) has an axis of members")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing to keep: forward() never runs."""

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        function: Callable[..., Tensor],
        *tensors: Tensor,
    ) -> tuple[Tensor, int]:
        whole = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        return function(*whole), 0


def over_members(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Under vmap, call a function with all members' tensors (M, ...); it returns (M, ...)."""
    return _OverMembers.apply(function, *tensors)


class StackedModel:
    """M models as one: (M, B, T, 1) -> (M, B, T, 1).

    Parameters
    ----------
    model : SequenceModel
        Any of them; it is copied.
    parameters, buffers : mapping of (M, ...) tensors
        Those of all members by name.
    """

    def __init__(
        self, model: SequenceModel, parameters: Mapping[str, Tensor], buffers: Mapping[str, Tensor]
    ) -> None:
        self.parameters, self.buffers = dict(parameters), dict(buffers)
        self._model = copy.deepcopy(model)
        for module in self._model.modules():
            if isinstance(module, Mixer):
                module.stacked = True
        # A random number per member would not be a function of its own seed and step.
        self._call = vmap(self._one, randomness="error")

    def _one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(self._model, (parameters, buffers), (x,))

    def __call__(self, x: Tensor) -> Tensor:
        return self._call(self.parameters, self.buffers, x)

    @property
    def linear(self) -> bool:
        """The models are exactly linear in x."""
        return self._model.linear

    def train(self) -> None:
        """Set all layers to training."""
        self._model.train()

    def eval(self) -> None:
        """Set all layers to evaluation."""
        self._model.eval()


def stacking_error(models: Sequence[SequenceModel], x: Tensor) -> str | None:
    """Why models cannot be stacked, or None where a stack of them does what each does alone.

    Outputs, gradients and buffers of copies with disturbed parameters are compared, in training
    and in evaluation. The models should have been drawn with different seeds: what a user's model
    draws and keeps elsewhere than in parameters and buffers shows only so.

    Parameters
    ----------
    models : sequence of SequenceModel
        Two or more of one architecture, width and length.
    x : (M, B, T) tensor
        Inputs, different for each.
    """
    alone = [copy.deepcopy(model) for model in models]
    try:
        # cuDNN's recurrent networks have no backward pass outside of training mode.
        with torch.backends.cudnn.flags(enabled=False):
            _compare(alone, x[..., None])
    except _DiffersError as error:
        return str(error)
    except Exception as error:  # whatever vmap or a user's own code raises
        if of_the_machine(error):
            raise
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0] if lines else ''}"
    return None


class _DiffersError(Exception):
    """A stack does something else than its members alone."""


def _compare(alone: Sequence[SequenceModel], x: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for one in alone:
            for parameter in one.parameters():
                noise = torch.randn(parameter.shape, generator=generator).to(parameter)
                parameter.add_(noise, alpha=0.01)
    named = [dict(model.named_parameters()) for model in alone]
    stack = StackedModel(
        alone[0],
        {
            name: torch.stack([p[name].detach() for p in named]).requires_grad_(one.requires_grad)
            for name, one in named[0].items()
        },
        stacked_buffers(alone),
    )
    for train in (True, False):
        models: list[SequenceModel | StackedModel] = [stack, *alone]
        for model in models:
            model.train() if train else model.eval()
        expected = [one(x_m) for one, x_m in zip(alone, x, strict=True)]
        found = stack(x)
        _assert_close("outputs", found, torch.stack(expected))
        wanted = [_gradients(y, p) for y, p in zip(expected, named, strict=True)]
        for name, gradient in _gradients(found, stack.parameters).items():
            _assert_close(f"gradients of {name}", gradient, torch.stack([g[name] for g in wanted]))
        for name, buffer in stacked_buffers(alone).items():
            _assert_close(f"values of the buffer {name}", stack.buffers[name], buffer)


def _gradients(y: Tensor, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    trained = {name: p for name, p in parameters.items() if p.requires_grad}
    found = torch.autograd.grad(y.square().sum(), list(trained.values()), materialize_grads=True)
    return dict(zip(trained, found, strict=True))


def _assert_close(what: str, found: Tensor, expected: Tensor) -> None:
    found, expected = found.detach().double(), expected.detach().double()
    # Far above the rounding of any device, far below a member that is taken for another one.
    finite = expected[expected.isfinite()].abs()
    size = 1 + float(finite.max()) if len(finite) else 1.0
    if not torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * size, equal_nan=True):
        raise _DiffersError(f"{what} in a stack are not those of the members alone")


def stacked_buffers(models: Sequence[SequenceModel]) -> dict[str, Tensor]:
    """The buffers of all models by name, (M, ...)."""
    named = [dict(model.named_buffers()) for model in models]
    return {name: torch.stack([buffers[name] for buffers in named]) for name in named[0]}
