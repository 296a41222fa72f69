"""AdamW over one flat vector of parameters.

The same arithmetic as torch.optim.AdamW (the oracle in the tests), without its start-up (it
imports torch._dynamo, as long as torch itself) and with one operation per step in place of one per
parameter; its state is three vectors, which a checkpoint stores as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mfbench.architectures.model import SequenceModel
from mfbench.config.training import Optimiser


class FlatAdamW:
    """AdamW: Loshchilov & Hutter (2017), arXiv 1711.05101.

    The model's parameters and their gradients become views of `parameters` and `gradient`, both
    (P,). Parameter groups are vectors of learning-rate factors and decays.
    """

    def __init__(self, model: SequenceModel, settings: Optimiser) -> None:
        named = dict(model.named_parameters())
        first = next(iter(named.values()))
        size = sum(p.numel() for p in named.values())
        self.parameters = first.new_empty(size, requires_grad=False)
        self.gradient = torch.zeros_like(self.parameters)
        self.first_moment = torch.zeros_like(self.parameters)
        self.second_moment = torch.zeros_like(self.parameters)
        self.rate_factor = torch.ones_like(self.parameters)
        self.decay = torch.full_like(self.parameters, settings.weight_decay)
        self.settings = settings

        group_of = {n: kind for kind, names in model.parameter_groups().items() for n in names}
        start = 0
        for name, parameter in named.items():
            span = slice(start, start + parameter.numel())
            start = span.stop
            self.parameters[span] = parameter.detach().reshape(-1)
            parameter.data = self.parameters[span].view_as(parameter)
            parameter.grad = self.gradient[span].view_as(parameter)
            if group_of[name] != "decayed":
                self.decay[span] = 0.0
            if group_of[name] == "ssm":
                self.rate_factor[span] = settings.ssm_learning_rate_factor

    def zero_gradient(self) -> None:
        """Forget the gradient; backward() adds to it."""
        self.gradient.zero_()

    def clip(self, norm: float) -> None:
        """Scale the gradient down to `norm` where its norm is larger."""
        self.gradient.mul_((norm / (self.gradient.norm() + 1e-6)).clamp(max=1.0))

    def step(self, step: int, learning_rate: float) -> None:
        """Update the parameters; `step` counts from 0."""
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
