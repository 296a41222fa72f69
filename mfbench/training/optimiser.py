"""AdamW for all members at once, one row of parameters per member.

Computes the same as torch.optim.AdamW, the oracle in the tests, with one operation for all
parameters instead of one per parameter. It also starts faster: torch.optim imports torch._dynamo,
which takes as long as importing torch. Values that change between steps are passed as tensors, so
that a GPU can replay a step.
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
        Updated in place.
    learning_rates : sequence of M floats
        Peak learning rates.
    sizes : mapping
        Number of elements of each parameter by name, in the order of a row.
    groups : mapping
        Names of parameters by group (`Model.parameter_groups`).
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
        """Bias corrections of both moments, as divisors, at some steps (from 0): (steps, 2)."""
        powers = [[1 - beta ** (step + 1) for beta in self.settings.betas] for step in steps]
        first, second = torch.tensor(powers, dtype=torch.float64).unbind(-1)
        return torch.stack((first, second.sqrt()), -1)

    def step(self, gradient: Tensor, factor: Tensor, correction: Tensor) -> None:
        """Update the parameters.

        Parameters
        ----------
        gradient : (M, P) tensor
        factor : () tensor
            Learning rate as a share of its peak.
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
    """Clip the gradient of each member, (M, P), to a largest norm of `norm`, in place."""
    norms = torch.linalg.vector_norm(gradient, dim=-1, keepdim=True)
    gradient.mul_((norm / (norms + 1e-6)).clamp(max=1.0))
