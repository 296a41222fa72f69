"""AdamW over one flat vector of parameters, or over one row for each member of a stack.

The same arithmetic as torch.optim.AdamW (the oracle in the tests), without its start-up (it
imports torch._dynamo, as long as torch itself) and with one operation per step in place of one per
parameter; its state is three vectors, which a checkpoint stores as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor

from mfbench.architectures.model import SequenceModel
from mfbench.config.training import Optimiser


class FlatAdamW:
    """AdamW: Loshchilov & Hutter (2017), arXiv 1711.05101.

    The model's parameters become views of `parameters`, (P,), or (M, P) for a stack of M members.
    Parameter groups are vectors of learning-rate factors and decays, (P,).

    Attributes
    ----------
    parameters, gradient, first_moment, second_moment : (P,) or (M, P) tensors
    leaves : dict
        The parameters by name, (...) or (M, ...): what a loss is differentiated by.
    """

    parameters: Tensor
    gradient: Tensor
    first_moment: Tensor
    second_moment: Tensor

    def __init__(self, model: SequenceModel, settings: Optimiser) -> None:
        named = dict(model.named_parameters())
        self.leaves: dict[str, Tensor] = {**named}
        self._named, self._spans, end = named, {}, 0
        for name, parameter in named.items():
            self._spans[name] = slice(end, end := end + parameter.numel())
        start = torch.cat([p.detach().reshape(-1) for p in named.values()])
        self._bind([start, *(torch.zeros_like(start) for _ in range(3))])
        self.rate_factor = torch.ones_like(self.parameters)
        self.decay = torch.full_like(self.parameters, settings.weight_decay)
        self.settings = settings

        group_of = {n: kind for kind, names in model.parameter_groups().items() for n in names}
        for name, span in self._spans.items():
            if group_of[name] != "decayed":
                self.decay[span] = 0.0
            if group_of[name] == "ssm":
                self.rate_factor[span] = settings.ssm_learning_rate_factor

    @classmethod
    def stack(cls, members: Sequence[FlatAdamW]) -> FlatAdamW:
        """One optimiser over the members of a stack; their own vectors become its rows."""
        stacked = copy.copy(members[0])
        vectors = [torch.stack(rows) for rows in zip(*(m._vectors() for m in members), strict=True)]
        stacked.parameters, stacked.gradient, stacked.first_moment, stacked.second_moment = vectors
        for i, member in enumerate(members):
            member._bind([vector[i] for vector in vectors])
        stacked.leaves = {
            name: view.detach().requires_grad_(stacked._named[name].requires_grad)
            for name, view in stacked._views(stacked.parameters).items()
        }
        return stacked

    def _vectors(self) -> list[Tensor]:
        return [self.parameters, self.gradient, self.first_moment, self.second_moment]

    def _bind(self, vectors: Sequence[Tensor]) -> None:
        """Work on these vectors, and let the model do so."""
        self.parameters, self.gradient, self.first_moment, self.second_moment = vectors
        values, gradients = self._views(self.parameters), self._views(self.gradient)
        for name, parameter in self._named.items():
            parameter.data, parameter.grad = values[name], gradients[name]

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        """The parts of (..., P) by the parameter's name, (..., *shape)."""
        return {
            name: flat[..., span].view(*flat.shape[:-1], *self._named[name].shape)
            for name, span in self._spans.items()
        }

    def differentiate(self, loss: Tensor) -> None:
        """Set the gradient to that of a loss, () for one member and (M,) for a stack."""
        if loss.ndim == 0:  # the parameters' own gradients are views of this one
            self.gradient.zero_()
            loss.backward()
            return
        # Autograd warns of leaves that are rows of a matrix, and adds to them one by one.
        leaves = self.leaves.values()
        trained = [leaf for leaf in leaves if leaf.requires_grad]
        found = iter(torch.autograd.grad(loss.sum(), trained, materialize_grads=True))
        parts = (next(found) if leaf.requires_grad else torch.zeros_like(leaf) for leaf in leaves)
        torch.cat([part.reshape(len(part), -1) for part in parts], -1, out=self.gradient)

    def clip(self, norm: float) -> None:
        """Scale the gradient of each member down to `norm` where its norm is larger."""
        norms = torch.linalg.vector_norm(self.gradient, dim=-1, keepdim=True)
        self.gradient.mul_((norm / (norms + 1e-6)).clamp(max=1.0))

    def step(self, step: int, learning_rate: float | Tensor) -> None:
        """Update the parameters; `step` counts from 0, a learning rate per member is (M, 1)."""
        beta_1, beta_2 = self.settings.betas
        self.first_moment.lerp_(self.gradient, 1 - beta_1)
        self.second_moment.mul_(beta_2).addcmul_(self.gradient, self.gradient, value=1 - beta_2)
        rate = self.rate_factor * learning_rate
        self.parameters.mul_(1 - rate * self.decay)
        scale = self.second_moment.sqrt() / (1 - beta_2 ** (step + 1)) ** 0.5
        update = self.first_moment / scale.add_(self.settings.epsilon)
        self.parameters.addcmul_(rate, update, value=-1 / (1 - beta_1 ** (step + 1)))

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint has to keep, by name."""
        return {
            "parameters": self.parameters,
            "first_moment": self.first_moment,
            "second_moment": self.second_moment,
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go back to a state."""
        for name, vector in self.state().items():
            vector.copy_(state[name])
