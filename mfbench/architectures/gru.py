"""Gated recurrent unit: Cho et al. (2014), arXiv 1406.1078, with the reset gate behind U h.

r = sigmoid(W_r u + b_r + U_r h + c_r)
z = sigmoid(W_z u + b_z + U_z h + c_z)
n = tanh(W_n u + b_n + r (U_n h + c_n))
h' = (1 - z) n + z h
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mfbench.architectures.recurrent import CellMixer, add_product, sum_of_products
from mfbench.architectures.registry import register


class GRUScan(torch.autograd.Function):
    """All steps given v = W u + b, in as few operations per step as there can be.

    Shapes are v (T, B, 3C), U (3C, C) and c (3C,), or (T, M, B, 3C), (M, 3C, C) and (M, 3C) for M
    members.

    Backwards, the gradient of a step's U h + c is that of its h' times factors that do not depend
    on it: these are computed for all steps at once. On CPU more than twice as fast as torch.nn.GRU
    at the sizes of a study (benchmarks/).
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, U: Tensor, c: Tensor) -> Tensor:
        T, *members_batch, C3 = v.shape
        C = C3 // 3
        gates = v.new_empty(T, *members_batch, 2 * C)  # r and z
        n = v.new_empty(T, *members_batch, C)
        Uh = v.new_empty(v.shape)  # U h + c, (T, B, 3C)
        h = v.new_empty(T + 1, *members_batch, C)
        h[0] = 0
        v_gates, v_n = v[..., : 2 * C].unbind(0), v[..., 2 * C :].unbind(0)
        Uh_t, Uh_gates, Uh_n = Uh.unbind(0), Uh[..., : 2 * C].unbind(0), Uh[..., 2 * C :].unbind(0)
        gates_t, n_t, h_t = gates.unbind(0), n.unbind(0), h.unbind(0)
        r_t, z_t = gates[..., :C].unbind(0), gates[..., C:].unbind(0)
        add, U_T, c = add_product(U), U.mT, c.unsqueeze(-2)
        for t in range(T):
            add(c, h_t[t], U_T, out=Uh_t[t])
            torch.add(v_gates[t], Uh_gates[t], out=gates_t[t]).sigmoid_()
            torch.addcmul(v_n[t], r_t[t], Uh_n[t], out=n_t[t]).tanh_()
            torch.lerp(n_t[t], h_t[t], z_t[t], out=h_t[t + 1])
        ctx.save_for_backward(U, Uh, gates, n, h)
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        U, Uh, gates, n, h = ctx.saved_tensors
        T, C, add = len(n), n.shape[-1], add_product(U)
        r, z, past = gates[..., :C], gates[..., C:], h[:-1]
        to_n = (1 - z) * (1 - n**2)  # d h' / d (argument of tanh)
        factors = torch.stack(
            (to_n * Uh[..., 2 * C :] * r * (1 - r), (past - n) * z * (1 - z), to_n * r), -2
        )  # d h' / d (U h + c), (T, B, 3, C)
        dUh, dh = torch.empty_like(factors), dy.clone()
        factors_t, dUh_t, flat_t = factors.unbind(0), dUh.unbind(0), dUh.flatten(-2).unbind(0)
        dh_t, dh_wide, z_t = dh.unbind(0), dh.unsqueeze(-2).unbind(0), z.unbind(0)
        for t in range(T - 1, -1, -1):
            torch.mul(dh_wide[t], factors_t[t], out=dUh_t[t])
            if t > 0:
                dh_t[t - 1].addcmul_(dh_t[t], z_t[t])
                add(dh_t[t - 1], flat_t[t], U, out=dh_t[t - 1])
        dUh = dUh.flatten(-2)  # (T, B, 3C)
        dv = torch.cat((dUh[..., : 2 * C], dh * to_n), -1)
        return dv, sum_of_products(dUh, past), dUh.sum((0, -2))


@register
class GRU(CellMixer):
    """Hidden state of `width` units, which is also the output."""

    def __init__(self, width: int, layer: int, length: int) -> None:
        super().__init__(nn.GRU(width, width, batch_first=True))

    def forward(self, u: Tensor) -> Tensor:
        if u.is_cuda and not self.stacked:  # cuDNN runs all steps in one kernel
            return self.cell(u)[0]  # (B, T, C)
        W, U, b, c = self.weights()
        v = F.linear(u.transpose(0, 1), W, b)  # (T, B, 3C)
        return self.scan(GRUScan.apply, v, U, c).transpose(0, 1)  # (B, T, C)

    def initial_state(self, batch: int) -> Tensor:
        return self.zeros(batch)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        W, U, b, c = self.weights()
        h = state  # (B, C)
        Wu_r, Wu_z, Wu_n = (u @ W.T + b).chunk(3, -1)
        Uh_r, Uh_z, Uh_n = (h @ U.T + c).chunk(3, -1)
        r = torch.sigmoid(Wu_r + Uh_r)
        z = torch.sigmoid(Wu_z + Uh_z)
        n = torch.tanh(Wu_n + r * Uh_n)
        h = (1 - z) * n + z * h
        return h, h
