"""Echo state network: Jaeger (2001), The "echo state" approach to analysing and training recurrent
neural networks, GMD report 148 (with erratum, 2010)

h_t = tanh(W_in x_t + W h_{t-1}),  y_t = W_out (h_t, x_t) + c

A whole model: the reservoir is random and stays as it is, the readout alone is trained. Here it is
trained like all models, by gradient descent; the paper solves for it.

State: width
Oracle: ridge regression on the states, in closed form
"""

from __future__ import annotations

import torch
from pydantic import PositiveFloat
from torch import Tensor, nn

from mfbench.models.registry import register
from mfbench.models.scans.elman import elman_scan


@register
class ESN(nn.Module):
    """A reservoir of `width` units.

    W is dense and normal, scaled to `spectral_radius`; W_in is uniform in +-`input_scale`. The
    paper leaves these numbers to the task. The defaults are ours: a spectral radius near 1 for long
    memory, and small inputs, which keep tanh nearly linear; still smaller ones need larger readout
    weights than gradient descent finds in a few hundred steps.
    """

    W: Tensor
    W_in: Tensor

    def __init__(
        self,
        width: int,
        d_in: int,
        *,
        spectral_radius: PositiveFloat = 0.95,
        input_scale: PositiveFloat = 0.3,
    ) -> None:
        super().__init__()
        W = torch.randn(width, width)
        radius = torch.linalg.eigvals(W).abs().max()
        self.register_buffer("W", W * (spectral_radius / radius))  # (N, N)
        self.register_buffer("W_in", torch.empty(width, d_in).uniform_(-input_scale, input_scale))
        self.W_out = nn.Linear(width + d_in, 1)

    @property
    def state_size(self) -> int:
        return len(self.W)

    def states(self, x: Tensor) -> Tensor:
        """The reservoir over time and the input, (B, T, d) -> (B, T, N + d)."""
        h = elman_scan(x, self.W_in, self.W, None, linear=False)
        return torch.cat((h, x), -1)

    def forward(self, x: Tensor) -> Tensor:
        return self.W_out(self.states(x))  # (B, T, 1)

    def initial_state(self, batch: int) -> Tensor:
        return self.W.new_zeros(batch, len(self.W))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(x @ self.W_in.T + state @ self.W.T)  # (B, N)
        return self.W_out(torch.cat((h, x), -1)), h
