"""The work of a model: multiply-adds for each step of a sequence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import baddbmm_flop, flop_registry, sdpa_flop_count

from mfbench.models.model import Model
from mfbench.models.own_code import own_code


def multiply_adds(model: Model, length: int) -> float:
    """Multiply-adds per step of one sequence of this length, in one forward pass.

    Counts products of matrices, convolutions and attention by the formulas of
    `torch.utils.flop_counter`, Fourier transforms and torch's own LSTM on a CPU, but no pointwise
    operations and no recurrence of cuDNN.

    Examples
    --------
    An encoder (16), three gates with two products of 16 x 16 each, and a decoder (16):

    >>> from mfbench.models.build import build_model
    >>> multiply_adds(build_model({"model": "gru"}, width=16, length=64), 64)
    1568.0
    """
    x = torch.zeros(1, length, model.d_in).to(model.like)
    with torch.no_grad(), own_code(), _Counter() as counter:
        model(x)
    return counter.operations / 2 / length


class _Counter(TorchDispatchMode):
    """As torch's FlopCounterMode, which imports torch's compiler (two seconds)."""

    operations = 0


def _count(counter: _Counter, function: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
    if (formula := _OTHERS.get(packet := function._overloadpacket)) is not None:
        shapes = [tuple(a.shape) if isinstance(a, torch.Tensor) else a for a in args]
        counter.operations += formula(*shapes)
    found = function(*args, **(kwargs or {}))
    if packet in flop_registry:
        counter.operations += flop_registry[packet](*args, **(kwargs or {}), out_val=found)
    return found


_Counter.__torch_dispatch__ = _count  # type: ignore[assignment]  # in the class, torch wraps it


def _transform(shape: Any, dims: Any, _: Any, last: Any) -> int:
    """5 N log2 N for a complex transform of N numbers (Cooley & Tukey, 1965); half if real."""
    if type(last) is int:  # a transform to so many real numbers
        shape = (*shape[:-1], last)
    n = math.prod(shape[d] for d in dims)
    return int(2.5 * math.prod(shape) * math.log2(max(n, 1)))


def _lstm(u: Any, W: Any, U: Any, *_: Any) -> int:
    """All steps of one layer of an LSTM on a CPU; u is (T, B, C), or (B, T, C)."""
    return 2 * math.prod(u[:2]) * (math.prod(W) + math.prod(U))


_ATEN = torch.ops.aten
_OTHERS: dict[Any, Callable[..., int]] = {  # what torch's formulas leave out
    _ATEN.baddbmm_: baddbmm_flop,
    _ATEN.mkldnn_rnn_layer: _lstm,
    _ATEN._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_: sdpa_flop_count(q, k, v),
    _ATEN._fft_r2c: _transform,
    _ATEN._fft_c2r: _transform,
    _ATEN._fft_c2c: lambda *arguments: 2 * _transform(*arguments),
}
