"""AdamW over the parameters of all members, one row each.

The arithmetic is that of torch.optim.AdamW (the oracle in the tests), without its start-up (it
imports torch._dynamo, as long as torch itself) and with one operation in place of one per
parameter. What changes from step to step comes as tensors, so that a GPU can replay a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mfbench.study.training import Optimiser


class AdamW:
    """AdamW: Loshchilov & Hutter (2017), arXiv 1711.05101.

    Parameters
    ----------
    parameters : (M, P) tensor
        Changed in place.
    learning_rates : sequence of M floats
        Peak learning rates.
    sizes : mapping
        Numbers of elements of the parameters by name, in the order in which they lie in a row.
    groups : mapping
        Names of parameters by how they are treated (`SequenceModel.parameter_groups`).
    settings : Optimiser
        The optimiser section of the study.
    """

    def __init__(
        self,
        parameters: Tensor,
        learning_rates: Sequence[float],
        *,
        sizes: Mapping[str, int],
        groups: Mapping[str, Sequence[str]],
        settings: Optimiser,
    ) -> None:
        self.parameters, self.settings = parameters, settings
        self.first_moment = torch.zeros_like(parameters)
        self.second_moment = torch.zeros_like(parameters)
        kind = {name: group for group, names in groups.items() for name in names}
        factors = [settings.ssm_learning_rate_factor if kind[n] == "ssm" else 1.0 for n in sizes]
        decays = [settings.weight_decay if kind[n] == "decayed" else 0.0 for n in sizes]
        counts = torch.tensor(list(sizes.values()))
        factor, decay = (
            torch.tensor(values, dtype=torch.float64).repeat_interleave(counts)
            for values in (factors, decays)
        )
        rates = torch.tensor(learning_rates, dtype=torch.float64)[:, None] * factor
        self.rates = rates.to(parameters)  # (M, P)
        self.decays = (rates * decay).to(parameters) if settings.weight_decay else None

    def corrections(self, steps: Sequence[int]) -> Tensor:
        """What the biases of both moments are divided by at some steps (from 0): (steps, 2)."""
        powers = [[1 - beta ** (step + 1) for beta in self.settings.betas] for step in steps]
        first, second = torch.tensor(powers, dtype=torch.float64).unbind(-1)
        return torch.stack((first, second.sqrt()), -1)

    def step(self, gradient: Tensor, factor: Tensor, correction: Tensor) -> None:
        """Change the parameters.

        Parameters
        ----------
        gradient : (M, P) tensor
        factor : () tensor
            Share of the peak learning rates.
        correction : (2,) tensor
            A row of `corrections`.
        """
        beta_1, beta_2 = self.settings.betas
        self.first_moment.lerp_(gradient, 1 - beta_1)
        self.second_moment.mul_(beta_2).addcmul_(gradient, gradient, value=1 - beta_2)
        if self.decays is not None:
            self.parameters.mul_(1 - factor * self.decays)
        scale = self.second_moment.sqrt().div_(correction[1]).add_(self.settings.epsilon)
        update = self.first_moment / scale
        self.parameters.addcmul_(self.rates, update.mul_(factor / correction[0]), value=-1)


def clip(gradient: Tensor, norm: float) -> None:
    """Scale the gradient of each member, (M, P), down to `norm` where its norm is larger."""
    norms = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
    gradient.mul_((norm / (norms + 1e-6)).clamp(max=1.0))
