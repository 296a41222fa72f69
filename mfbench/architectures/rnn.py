"""Elman recurrent network: Elman, Finding structure in time (1990), doi 10.1207/s15516709cog1402_1

h_t = tanh(W u_t + U h_{t-1} + b)

With the identity in place of tanh, and no b, it is the linear network of Li, Han, E & Li (2020),
arXiv 2009.07799.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mfbench.architectures.recurrent import CellMixer, add_product, sum_of_products
from mfbench.architectures.registry import register


class ElmanScan(torch.autograd.Function):
    """h_t = f(v_t + U h_{t-1}) over all steps, in as few operations per step as there can be.

    f is tanh or, for a linear network, the identity. Shapes are v (T, B, C) and U (C, C), or
    (T, M, B, C) and (M, C, C) for M members.

    On CPU about twice as fast as torch.nn.RNN at the sizes of a study (benchmarks/).
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, U: Tensor, linear: bool) -> Tensor:
        h = v.new_empty(len(v) + 1, *v.shape[1:])  # (T+1, B, C)
        h[0] = 0
        add, U_T = add_product(U), U.mT
        for v_t, past, now in zip(v.unbind(0), h[:-1].unbind(0), h[1:].unbind(0), strict=True):
            add(v_t, past, U_T, out=now)
            if not linear:
                now.tanh_()
        ctx.save_for_backward(U, h)
        ctx.linear = linear
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        U, h = ctx.saved_tensors
        dh, add = dy.clone(), add_product(U)
        dv = dh if ctx.linear else torch.empty_like(dy)
        slope = () if ctx.linear else (1 - h[1:] ** 2).unbind(0)
        dv_t, dh_t = dv.unbind(0), dh.unbind(0)
        for t in range(len(dh) - 1, -1, -1):
            if not ctx.linear:
                torch.mul(dh_t[t], slope[t], out=dv_t[t])
            if t > 0:
                add(dh_t[t - 1], dv_t[t], U, out=dh_t[t - 1])
        return dv, sum_of_products(dv, h[:-1]), None


@register
class RNN(CellMixer):
    """Hidden state of `width` units, which is also the output."""

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        nonlinearity: Literal["tanh", "identity"] = "tanh",
    ) -> None:
        super().__init__(nn.RNN(width, width, batch_first=True, bias=nonlinearity == "tanh"))
        self.nonlinearity = nonlinearity

    @property
    def linear(self) -> bool:
        return self.nonlinearity == "identity"

    def forward(self, u: Tensor) -> Tensor:
        if u.is_cuda and not self.linear and not self.stacked:  # cuDNN runs all steps in one kernel
            return self.cell(u)[0]  # (B, T, C)
        W, U, b, c = self.weights()
        v = F.linear(u.transpose(0, 1), W, b + c)  # (T, B, C)
        h = self.scan(lambda v, U: ElmanScan.apply(v, U, self.linear), v, U)
        return h.transpose(0, 1)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return self.zeros(batch)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        W, U, b, c = self.weights()
        h = u @ W.T + b + state @ U.T + c  # (B, C)
        if not self.linear:
            h = torch.tanh(h)
        return h, h
