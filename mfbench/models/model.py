"""The structure of all models: a linear encoder, a stack of mixers, a linear decoder.

A stack of linear mixers without norm and activation is exactly linear in x: its encoder has no
bias. All other stacks have one. A norm in the first layer needs it: without a bias, the encoder
returns x times a fixed vector, of which the norm keeps only the sign of x.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mfbench.models.mixer import Mixer, RecurrentMixer, State
from mfbench.models.own_code import own_code

_NORMS = {"none": nn.Identity, "layer": nn.LayerNorm, "rms": nn.RMSNorm}
_ACTIVATIONS = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


class Layer(nn.Module):
    """u -> [u +] activation(mixer(norm(u)) + bias)."""

    def __init__(
        self, mixer: Mixer, width: int, *, norm: str, residual: bool, activation: str
    ) -> None:
        super().__init__()
        self.norm = _NORMS[norm](*() if norm == "none" else (width,))
        self.mixer = mixer
        self.bias = None if activation == "none" else nn.Parameter(torch.zeros(width))
        self.activation = _ACTIVATIONS[activation]()
        self.residual = residual

    def around(self, u: Tensor, y: Tensor) -> Tensor:
        """The layer's output, given its input u and the mixer's output y; pointwise in time."""
        if self.bias is not None:
            y = self.activation(y + self.bias)
        return u + y if self.residual else y

    def forward(self, u: Tensor) -> Tensor:
        return self.around(u, self.mixer(self.norm(u)))  # (B, T, C)


class SequenceModel(nn.Module):
    """A causal model (B, T, 1) -> (B, T, 1)."""

    def __init__(
        self,
        mixer: type[Mixer],
        *,
        width: int,
        length: int,
        layers: int,
        norm: str,
        residual: bool,
        activation: str,
        options: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            Layer(
                mixer(width, layer, length, **options),
                width,
                norm=norm,
                residual=residual,
                activation=activation,
            )
            for layer in range(layers)
        )
        self._plain = norm == "none" and activation == "none"
        self.encoder = nn.Linear(1, width, bias=not self.linear)
        self.decoder = nn.Linear(width, 1, bias=False)
        # Start small: the untrained model predicts about 0 and has a relative error of about 1.
        with torch.no_grad():
            self.decoder.weight.mul_(0.5)

    def forward(self, x: Tensor) -> Tensor:
        with own_code():
            u = self.encoder(x)  # (B, T, C)
            for layer in self.layers:
                u = layer(u)
            y = self.decoder(u)  # (B, T, 1)
            if y.shape != x.shape:
                raise ValueError(
                    f"the model maps {tuple(x.shape)} to {tuple(y.shape)}, not to (B, T, 1)"
                )
        return y

    def recur(self, x: Tensor) -> Tensor:
        """forward() step by step with a carried state; for recurrent mixers only."""
        mixers = self.recurrent_mixers()
        states: list[State] = [mixer.initial_state(x.shape[0]) for mixer in mixers]
        outputs = []
        for x_t in x.unbind(1):
            u_t = self.encoder(x_t)  # (B, C)
            for i, layer in enumerate(self._stack()):
                y_t, states[i] = mixers[i].step(layer.norm(u_t), states[i])
                u_t = layer.around(u_t, y_t)
            outputs.append(self.decoder(u_t))
        return torch.stack(outputs, 1)

    def mixers(self) -> list[Mixer]:
        """The mixers from the first layer to the last."""
        return [layer.mixer for layer in self._stack()]

    def _stack(self) -> list[Layer]:
        return [layer for layer in self.layers if isinstance(layer, Layer)]

    def recurrent_mixers(self) -> list[RecurrentMixer]:
        """The mixers, if all of them can run step by step; TypeError otherwise."""
        mixers = [m for m in self.mixers() if isinstance(m, RecurrentMixer)]
        if len(mixers) < len(self.layers):
            raise TypeError("this architecture has no step-by-step form")
        return mixers

    @property
    def linear(self) -> bool:
        """Whether the model is exactly linear in x."""
        return self._plain and all(m.linear for m in self.mixers())

    @property
    def state_size(self) -> int | None:
        """Number of reals in the state of all layers; None if it is not fixed."""
        sizes = [m.state_size for m in self.mixers()]
        known = [s for s in sizes if s is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def receptive_field(self) -> int | None:
        """Number of lags, 0 included, that reach the output; None if unlimited."""
        fields = [m.receptive_field for m in self.mixers()]
        known = [f for f in fields if f is not None]
        return 1 + sum(f - 1 for f in known) if len(known) == len(fields) else None

    @property
    def maximum_length(self) -> int | None:
        """Longest sequence that it can run, in steps; None if unlimited."""
        return min((m for m in (x.maximum_length for x in self.mixers()) if m), default=None)

    def parameter_groups(self) -> dict[str, list[str]]:
        """Names of the parameters by how the optimiser treats them.

        ``ssm``: state dynamics, with their own learning rate and no decay; ``plain``: vectors
        (biases, norms), without decay; ``decayed``: all other weights.
        """
        ssm = {id(p) for mixer in self.mixers() for p in mixer.ssm_parameters()}
        groups: dict[str, list[str]] = {"decayed": [], "plain": [], "ssm": []}
        for name, parameter in self.named_parameters():
            kind = "ssm" if id(parameter) in ssm else "plain" if parameter.ndim < 2 else "decayed"
            groups[kind].append(name)
        return groups
