"""A module of one's own that is a whole model, without mfbench's encoder, stack and decoder.

What it declares are attributes, properties or methods of the same names as a mixer's, all
optional (docs/models.md). A submodule of such a name, as in ``self.linear = nn.Linear(8, 1)``, is
no declaration.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from mfbench.models.mixer import State
from mfbench.models.model import Model, Part
from mfbench.models.own_code import during, own_code


class WholeModel(Model):
    """A module (B, T, d) -> (B, T, 1), with the interface of all models.

    Parameters
    ----------
    module : Module
        Untrained.
    width : int
        Number of channels; only estimates of memory use it.
    d_in : int
        Number of input channels d.
    """

    def __init__(self, module: nn.Module, *, width: int = 16, d_in: int = 1) -> None:
        super().__init__()
        self.module, self.width, self.d_in = module, width, d_in

    def outputs(self, x: Tensor) -> Tensor:
        y: Tensor = self.module(x)
        return y

    def steps(self, x: Tensor) -> Iterator[tuple[Tensor, State]]:
        if self.step_form != {"initial_state", "step"}:
            raise TypeError("this architecture has no step-by-step form")
        start, step = self._declared("initial_state", None), self._declared("step", None)
        state = start(x.shape[0])
        for x_t in x.unbind(1):
            y_t, state = step(x_t, state)
            yield y_t, state

    def parts(self) -> list[Part]:
        recur = self.recur if self.step_form == {"initial_state", "step"} else None
        return [Part("the model", self, self.d_in, recur)]

    @property
    def step_form(self) -> set[str]:
        """Which of the two methods of a step form the module has."""
        return {name for name in ("initial_state", "step") if callable(self._declared(name, None))}

    @property
    def root(self) -> nn.Module:
        return self.module

    @property
    def like(self) -> Tensor:
        trained = (p for p in self.parameters() if p.requires_grad)
        fixed = (
            tensor for tensor in (*self.parameters(), *self.buffers()) if tensor.is_floating_point()
        )
        return next(chain(trained, fixed), torch.empty(0))

    @property
    def linear(self) -> bool:
        return self._declared("linear", False)

    @property
    def state_size(self) -> int | None:
        return self._declared("state_size", None)

    @property
    def receptive_field(self) -> int | None:
        return self._declared("receptive_field", None)

    @property
    def maximum_length(self) -> int | None:
        return self._declared("maximum_length", None)

    def ssm_parameters(self) -> Iterable[nn.Parameter]:
        declared = self._declared("ssm_parameters", tuple)
        with during("ssm_parameters"), own_code():
            parameters: list[nn.Parameter] = list(declared())
        return parameters

    def _declared(self, name: str, default: Any) -> Any:
        """The module's attribute; errors in the code of a property are its own."""
        found = inspect.getattr_static(self.module, name, None)
        if isinstance(found, property | cached_property):
            # getattr would take an AttributeError in a property for an absent attribute.
            with during(name), own_code():
                return found.__get__(self.module, type(self.module))
        value = getattr(self.module, name, default)
        return default if isinstance(value, nn.Module) else value
