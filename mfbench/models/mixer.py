"""The base classes of all architectures: a causal map over time, with its declared properties."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

State = Any  # a tensor or a tuple of tensors, (B, ...)


class Mixer(nn.Module):
    """A strictly causal map (B, T, C) -> (B, T, C).

    The model passes the constructor's positional arguments: `width` C, the index `layer` of the
    mixer from 0, and the sequence `length` T. All further arguments are options that a study may
    set, checked by their annotations where there are any.

    The class attributes are the defaults of the stack of mixers; a study may override them.

    Attributes
    ----------
    layers : int
        Number of mixers in the stack.
    norm : {"none", "layer", "rms"}
        Normalisation over channels before every mixer.
    norm_inside : bool
        Whether the mixer has norms of its own. Then `norm` acts once, after the last mixer. Not a
        setting.
    residual : bool
        Whether a layer adds its input to its output.
    activation : {"none", "relu", "gelu", "silu", "tanh"}
        Pointwise nonlinearity, with a bias, after every mixer.
    """

    layers: ClassVar[int] = 1
    norm: ClassVar[Literal["none", "layer", "rms"]] = "none"
    norm_inside: ClassVar[bool] = False
    residual: ClassVar[bool] = False
    activation: ClassVar[Literal["none", "relu", "gelu", "silu", "tanh"]] = "none"

    @property
    def linear(self) -> bool:
        """Whether the output is linear in the input, without a constant."""
        return False

    @property
    def state_size(self) -> int | None:
        """Number of reals carried from one step to the next; None if it is not fixed."""
        return None

    @property
    def receptive_field(self) -> int | None:
        """Number of lags, 0 included, that reach the output; None if unlimited."""
        return None

    @property
    def maximum_length(self) -> int | None:
        """Longest sequence that it can run, in steps; None if unlimited."""
        return None

    def ssm_parameters(self) -> tuple[nn.Parameter, ...]:
        """Parameters of the state dynamics, trained at their own rate and without weight decay."""
        return ()

    def forward(self, u: Tensor) -> Tensor:
        """All steps at once, (B, T, C) -> (B, T, C)."""
        raise TypeError(f"{type(self).__name__} has no forward()")


class RecurrentMixer(Mixer):
    """A mixer that is also a recurrence, one step at a time."""

    def initial_state(self, batch: int) -> State:
        """The state before the first step."""
        raise TypeError(f"{type(self).__name__} has no initial_state()")

    def step(self, u: Tensor, state: State) -> tuple[Tensor, State]:
        """One step: input (B, C) and state -> output (B, C) and the next state."""
        raise TypeError(f"{type(self).__name__} has no step()")

    def recur(self, u: Tensor) -> Tensor:
        """The slow form of forward(), step by step: (B, T, C) -> (B, T, C)."""
        state = self.initial_state(u.shape[0])
        outputs = []
        for u_t in u.unbind(1):
            y_t, state = self.step(u_t, state)
            outputs.append(y_t)
        return torch.stack(outputs, 1)
