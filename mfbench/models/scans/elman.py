"""h_t = f(W u_t + b + U h_{t-1}) with h_0 = 0; f is tanh or the identity."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mfbench.models.scans.products import add_product, scan_members, sum_of_products


def elman_scan(u: Tensor, W: Tensor, U: Tensor, b: Tensor | None, *, linear: bool) -> Tensor:
    """All states of an Elman network.

    Parameters
    ----------
    u : (B, T, C) tensor
    W, U : (N, C) and (N, N) tensors
    b : (N,) tensor, optional
    linear : bool
        Whether f is the identity.

    Returns
    -------
    (B, T, N) tensor
    """
    v = F.linear(u.transpose(0, 1), W, b)  # (T, B, N)
    h = scan_members(lambda v, U: _ElmanScan.apply(v, U, linear), v, U)
    return h.transpose(0, 1)


def elman_loop(u: Tensor, W: Tensor, U: Tensor, b: Tensor | None, *, linear: bool) -> Tensor:
    """The plain recurrence: the oracle of `elman_scan`."""
    h, states = u.new_zeros(len(u), len(U)), []
    for u_t in u.unbind(1):
        h = F.linear(u_t, W, b) + h @ U.T
        h = h if linear else torch.tanh(h)
        states.append(h)
    return torch.stack(states, 1)


class _ElmanScan(torch.autograd.Function):
    """h_t = f(v_t + U h_{t-1}), in as few operations per step as possible.

    Shapes are v (T, B, N) and U (N, N), or (T, M, B, N) and (M, N, N) for M members. On a CPU it is
    twice as fast as torch.nn.RNN at the sizes of a study (benchmarks/).
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, U: Tensor, linear: bool) -> Tensor:
        h = v.new_empty(len(v) + 1, *v.shape[1:])  # (T+1, B, N)
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
