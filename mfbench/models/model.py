"""All models: what training and evaluation need of them, and their usual structure.

The usual structure is a linear encoder, a stack of mixers and a linear decoder
(`SequenceModel`). A module that is a whole model has its own (`mfbench.models.whole`).

A stack of linear mixers without norm and activation is exactly linear in x: its encoder has no
bias. All other stacks have one. A norm in the first layer needs it: without a bias, the encoder
returns x times a fixed vector, of which the norm keeps only the sign of x.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Part:
    """A part of a model that makes declarations of its own.

    Attributes
    ----------
    name : str
        For messages.
    module : Module
        Maps (B, T, channels) to (B, T, ...), and has `linear`, `state_size`, `receptive_field` and
        `maximum_length`.
    channels : int
    recur : callable or None
        The slow form of the module, step by step; None if it has none.
    """

    name: str
    module: nn.Module
    channels: int
    recur: Callable[[Tensor], Tensor] | None


class Model(nn.Module, ABC):
    """A causal model (B, T, d) -> (B, T, 1).

    Attributes
    ----------
    d_in : int
        Number of input channels d.
    width : int
        Number of channels C, which measures the memory that it takes.
    """

    d_in: int
    width: int

    @abstractmethod
    def outputs(self, x: Tensor) -> Tensor:
        """The outputs, not yet checked."""

    def forward(self, x: Tensor) -> Tensor:
        with own_code():
            y = self.outputs(x)
            if not isinstance(y, Tensor):
                raise ValueError(
                    f"forward() returns a {type(y).__name__}, not one tensor (B, T, 1): return its "
                    "first element alone, as in y, _ = self.lstm(x)"
                )
            if y.shape != (wanted := (*x.shape[:-1], 1)):
                raise ValueError(
                    f"the model maps {tuple(x.shape)} to {tuple(y.shape)}, not to (B, T, 1) = "
                    f"{wanted}{_cure(tuple(y.shape), wanted)}"
                )
        return y

    @abstractmethod
    def steps(self, x: Tensor) -> Iterator[tuple[Tensor, State]]:
        """The output (B, 1) and the state after each step; TypeError if there is no such form."""

    def recur(self, x: Tensor) -> Tensor:
        """forward() step by step with a carried state."""
        return torch.stack([y_t for y_t, _ in self.steps(x)], 1)

    @abstractmethod
    def parts(self) -> list[Part]:
        """The parts on which promises about declarations are checked."""

    @property
    def root(self) -> nn.Module:
        """The module whose names of parameters the author knows."""
        return self

    @property
    @abstractmethod
    def like(self) -> Tensor:
        """A trained parameter: inputs have its type and device."""

    @property
    @abstractmethod
    def linear(self) -> bool:
        """Whether the model is exactly linear in x."""

    @property
    @abstractmethod
    def state_size(self) -> int | None:
        """Number of reals carried from one step to the next; None if it is not fixed."""

    @property
    @abstractmethod
    def receptive_field(self) -> int | None:
        """Number of lags, 0 included, that reach the output; None if unlimited."""

    @property
    @abstractmethod
    def maximum_length(self) -> int | None:
        """Longest sequence that it can run, in steps; None if unlimited."""

    @abstractmethod
    def ssm_parameters(self) -> Iterable[nn.Parameter]:
        """Parameters of the state dynamics."""

    def parameter_groups(self) -> dict[str, list[str]]:
        """Names of the parameters by how the optimiser treats them.

        ``ssm``: state dynamics, with their own learning rate and no decay; ``plain``: vectors
        (biases, norms), without decay; ``decayed``: all other weights.
        """
        ssm = {id(parameter) for parameter in self.ssm_parameters()}
        groups: dict[str, list[str]] = {"decayed": [], "plain": [], "ssm": []}
        for name, parameter in self.named_parameters():
            kind = "ssm" if id(parameter) in ssm else "plain" if parameter.ndim < 2 else "decayed"
            groups[kind].append(name)
        return groups


def _cure(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """What to change where an output has the wrong shape; nothing if that is not clear."""
    batch, length, _ = wanted
    if found == (batch, length):
        return ": return y[..., None]"
    if found == (batch, 1, length):
        return ": channels come last, so return y.mT"
    if found == (length, batch, 1):
        return ": the batch comes first (batch_first=True)"
    if found[:-1] == (batch, length):
        return f": end with a linear layer, nn.Linear({found[-1]}, 1)"
    return ""


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


class SequenceModel(Model):
    """An encoder, a stack of mixers and a decoder."""

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
        d_in: int = 1,
    ) -> None:
        super().__init__()
        self.width, self.d_in = width, d_in
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
        self.encoder = nn.Linear(d_in, width, bias=not self.linear)
        self.decoder = nn.Linear(width, 1, bias=False)
        # Start small: the untrained model predicts about 0 and has a relative error of about 1.
        with torch.no_grad():
            self.decoder.weight.mul_(0.5)

    def outputs(self, x: Tensor) -> Tensor:
        u = self.encoder(x)  # (B, T, C)
        for layer in self.layers:
            u = layer(u)
        y: Tensor = self.decoder(u)  # (B, T, 1)
        return y

    def steps(self, x: Tensor) -> Iterator[tuple[Tensor, State]]:
        mixers = self.recurrent_mixers()
        states: list[State] = [mixer.initial_state(x.shape[0]) for mixer in mixers]
        for x_t in x.unbind(1):
            u_t = self.encoder(x_t)  # (B, C)
            for i, layer in enumerate(self._stack()):
                y_t, states[i] = mixers[i].step(layer.norm(u_t), states[i])
                u_t = layer.around(u_t, y_t)
            yield self.decoder(u_t), list(states)

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

    def parts(self) -> list[Part]:
        return [
            Part(
                f"layers.{i}.mixer",
                mixer,
                self.width,
                mixer.recur
                if isinstance(mixer, RecurrentMixer) and type(mixer).step is not RecurrentMixer.step
                else None,
            )
            for i, mixer in enumerate(self.mixers())
        ]

    @property
    def like(self) -> Tensor:
        return self.encoder.weight

    @property
    def linear(self) -> bool:
        return self._plain and all(m.linear for m in self.mixers())

    @property
    def state_size(self) -> int | None:
        sizes = [m.state_size for m in self.mixers()]
        known = [s for s in sizes if s is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def receptive_field(self) -> int | None:
        fields = [m.receptive_field for m in self.mixers()]
        known = [f for f in fields if f is not None]
        return 1 + sum(f - 1 for f in known) if len(known) == len(fields) else None

    @property
    def maximum_length(self) -> int | None:
        return min((m for m in (x.maximum_length for x in self.mixers()) if m), default=None)

    def ssm_parameters(self) -> list[nn.Parameter]:
        return [parameter for mixer in self.mixers() for parameter in mixer.ssm_parameters()]
