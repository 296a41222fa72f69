"""Run many models of one architecture as one."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from mfbench.models.model import Model
from mfbench.models.own_code import of_the_machine, own_code


class Ensemble:
    """M models of one architecture: (M, B, T, d) -> (M, B, T, 1).

    torch.vmap adds an axis of members to the operations of the model; a single model runs directly.
    Parameters without gradient count as buffers: they stay unchanged, whatever their type.

    Parameters
    ----------
    models : sequence of Model
        Models of one architecture, width and length; they are copied.

    Attributes
    ----------
    parameters : (M, P) tensor
        The flattened trained parameters of each member; change them in place.
    buffers : dict of (M, ...) tensors
        Buffers, and parameters without gradient.
    model : Model
        Has the properties that the members declare, such as `linear` and `maximum_length`.
    """

    def __init__(self, models: Sequence[Model]) -> None:
        with own_code():  # the model may have its own __deepcopy__ or state_dict
            self.model = copy.deepcopy(models[0])
            stored = list(self.model.state_dict())
        self._named = trained_parameters(self.model)
        named_too = (self.model.named_parameters, self.model.named_buffers)
        first = {id(t): name for each in named_too for name, t in each()}
        again = {n: first[id(t)] for each in named_too for n, t in each(remove_duplicate=False)}
        self._first_names = {name: again[name] for name in stored}
        self.parameters = torch.stack([flat(trained_parameters(m)) for m in models])
        named = [_constant(m) for m in models]
        self.buffers = {name: torch.stack([each[name] for each in named]) for name in named[0]}
        # Leaves for autograd, which share the memory of `parameters`.
        self._leaves = {
            name: view.detach().requires_grad_()
            for name, view in self.split(self.parameters).items()
        }
        # Under vmap, random numbers would not depend on a member's own seed and step alone.
        self._call = vmap(self._one, randomness="error")
        if len(models) == 1:
            for name, parameter in self._named.items():
                parameter.data = self._leaves[name].detach()[0]
            for name, constant in _constant(self.model).items():
                constant.data = self.buffers[name][0]
            self._leaves = dict(self._named)

    def _one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(self.model, (parameters, buffers), (x,))

    def __len__(self) -> int:
        return len(self.parameters)

    def __call__(self, x: Tensor) -> Tensor:
        if len(self) > 1:
            return self._call(self._leaves, self.buffers, x)
        y = self.model(x[0])[None]
        if self.buffers:
            with own_code():  # the model may replace a buffer by one of another shape
                self._take_buffers()
        return y

    def _take_buffers(self) -> None:
        """Copy back the values of buffers that the model replaced by new tensors."""
        for name, buffer in self.model.named_buffers():
            own = self.buffers[name][0]
            if buffer.data_ptr() != own.data_ptr():
                own.copy_(buffer.detach())
                buffer.data = own

    def gradient(self, loss: Tensor) -> Tensor:
        """Gradients (M, P) of the losses (M,), each with respect to its member's parameters."""
        leaves = list(self._leaves.values())
        found = torch.autograd.grad(loss.sum(), leaves, materialize_grads=True)
        return torch.cat([part.reshape(len(self), -1) for part in found], -1)

    def freeze(self) -> None:
        """Compute no more gradients with respect to the parameters."""
        for leaf in self._leaves.values():
            leaf.requires_grad = False

    def split(self, vectors: Tensor) -> dict[str, Tensor]:
        """Split vectors (..., P) into views (..., *shape) by parameter name."""
        parts = vectors.split([p.numel() for p in self._named.values()], -1)
        return {
            name: part.unflatten(-1, parameter.shape) if parameter.ndim else part[..., 0]
            for (name, parameter), part in zip(self._named.items(), parts, strict=True)
        }

    @property
    def stored(self) -> list[str]:
        """Names of the trained parameters, in the order of a row."""
        return list(self._named)

    def row(self, named: Mapping[str, Tensor]) -> Tensor:
        """The inverse of `split` for one member: (P,)."""
        return flat({name: named[name] for name in self._named})

    def state(self, parameters: Tensor, buffers: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The state dict of a member, from its parameters (P,) and its buffers."""
        values = {**self.split(parameters), **buffers}
        return {name: values[first].clone() for name, first in self._first_names.items()}

    @property
    def linear(self) -> bool:
        """Whether the models are exactly linear in x."""
        return self.model.linear


def trained_parameters(model: nn.Module) -> dict[str, Tensor]:
    """The parameters that training changes, by name: those with a gradient."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def _constant(model: nn.Module) -> dict[str, Tensor]:
    """Buffers and parameters without gradient, by name."""
    frozen = {name: p for name, p in model.named_parameters() if not p.requires_grad}
    return {**dict(model.named_buffers()), **frozen}


def flat(parameters: Mapping[str, Tensor]) -> Tensor:
    """Flatten and join parameters to (P,)."""
    if not parameters:
        return torch.empty(0)
    return torch.cat([parameter.detach().reshape(-1) for parameter in parameters.values()])


class _DiffersError(Exception):
    """An ensemble gives different results than its members alone."""


def ensemble_error(models: Sequence[Model], x: Tensor) -> str | None:
    """Why models cannot run as one; None if together they give the same results as alone.

    Compares outputs, gradients and buffers of copies with perturbed parameters, in training and in
    evaluation mode. Initialise the models with different seeds; otherwise random numbers that a
    user's model keeps outside its parameters and buffers go unnoticed.

    Parameters
    ----------
    models : sequence of Model
        Two or more of one architecture, width and length.
    x : (M, B, T, d) tensor
        Inputs, different for each model.
    """
    alone = [copy.deepcopy(model) for model in models]
    try:
        # cuDNN's recurrent networks have no backward pass outside of training mode.
        with torch.backends.cudnn.flags(enabled=False):
            _compare(alone, x)
    except _DiffersError as error:
        return str(error)
    except Exception as error:  # from vmap or from a user's code
        if of_the_machine(error):
            raise
        lines = str(error).strip().splitlines()
        return f"{type(error).__name__}: {lines[0] if lines else ''}"
    return None


def first_and_last(x: Tensor) -> Tensor:
    """Inputs of two models for `ensemble_error`, from sequences (N, T, d): (2, 2, T, d) or less."""
    count = min(2, len(x) // 2) or 1
    return torch.stack((x[:count], x[-count:]))


def _compare(alone: Sequence[Model], x: Tensor) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for one in alone:
            for parameter in trained_parameters(one).values():
                noise = torch.randn(parameter.shape, generator=generator).to(parameter)
                parameter.add_(noise, alpha=0.01)
    together = Ensemble(alone)
    each = [Ensemble([one]) for one in alone]
    for train in (True, False):
        for ensemble in (together, *each):
            ensemble.model.train(train)
        expected = [one(x_m[None]) for one, x_m in zip(each, x, strict=True)]
        found = together(x)
        _assert_close("outputs", found, torch.cat(expected))
        wanted = [one.gradient(_loss(y)) for one, y in zip(each, expected, strict=True)]
        gradients = together.split(torch.cat(wanted))
        for name, gradient in together.split(together.gradient(_loss(found))).items():
            _assert_close(f"gradients of {name}", gradient, gradients[name])
        for name, buffer in together.buffers.items():
            alone_buffers = torch.cat([one.buffers[name] for one in each])
            _assert_close(f"values of the buffer {name}", buffer, alone_buffers)


def _loss(y: Tensor) -> Tensor:
    return y.square().sum((1, 2, 3))


def _assert_close(what: str, found: Tensor, expected: Tensor) -> None:
    found, expected = (
        torch.view_as_real(tensor) if tensor.is_complex() else tensor.double()
        for tensor in (found.detach(), expected.detach())
    )
    # Far above rounding on any device, far below the difference between two members.
    finite = expected[expected.isfinite()].abs()
    size = 1 + float(finite.max()) if len(finite) else 1.0
    if not torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * size, equal_nan=True):
        raise _DiffersError(f"{what} differ between an ensemble and its members alone")
