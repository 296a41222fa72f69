"""Long short-term memory: Hochreiter & Schmidhuber (1997), doi 10.1162/neco.1997.9.8.1735,
with the forget gate of Gers et al. (2000), doi 10.1162/089976600300015015

i, f, o = sigmoid(W u + U h + b),  g = tanh(W u + U h + b)
c' = f c + i g,  h' = o tanh(c')
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mfbench.architectures.recurrent import CellMixer, add_product, sum_of_products
from mfbench.architectures.registry import register


class LSTMScan(torch.autograd.Function):
    """All steps given v = W u + b, for stacks; torch's own is faster for one member.

    Shapes are v (T, B, 4C) and U (4C, C), or (T, M, B, 4C) and (M, 4C, C) for M members. Backwards,
    the gradient of a step's gates is that of its c' and h' times factors that do not depend on
    it: these are computed for all steps at once.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, U: Tensor) -> Tensor:
        T, *members_batch, C4 = v.shape
        C = C4 // 4
        gates = v.new_empty(v.shape)
        c, h = v.new_zeros(2, T + 1, *members_batch, C)
        tanh_c = v.new_empty(T, *members_batch, C)
        i_t, f_t, g_t, o_t = (gate.unbind(0) for gate in gates.split(C, -1))
        v_t, gates_t, i_f_t = v.unbind(0), gates.unbind(0), gates[..., : 2 * C].unbind(0)
        c_t, h_t, tanh_t = c.unbind(0), h.unbind(0), tanh_c.unbind(0)
        add, U_T = add_product(U), U.mT
        for t in range(T):
            add(v_t[t], h_t[t], U_T, out=gates_t[t])
            i_f_t[t].sigmoid_()
            g_t[t].tanh_()
            o_t[t].sigmoid_()
            torch.mul(f_t[t], c_t[t], out=c_t[t + 1]).addcmul_(i_t[t], g_t[t])
            torch.tanh(c_t[t + 1], out=tanh_t[t])
            torch.mul(o_t[t], tanh_t[t], out=h_t[t + 1])
        ctx.save_for_backward(U, gates, c, tanh_c, h)
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor]:
        U, gates, c, tanh_c, h = ctx.saved_tensors
        T, C = len(tanh_c), tanh_c.shape[-1]
        i, f, g, o = gates.split(C, -1)
        to_c = o * (1 - tanh_c**2)  # d h' / d c'
        to_o = tanh_c * o * (1 - o)  # d h' / d (argument of o)
        factors = torch.stack(
            (g * i * (1 - i), c[:-1] * f * (1 - f), i * (1 - g**2)), -2
        )  # d c' / d (arguments of i, f, g), (T, B, 3, C)
        dv = torch.empty_like(gates)
        dh, dc = dy.clone(), torch.zeros_like(tanh_c)
        dh_t, dc_t, dc_wide, dv_t = (x.unbind(0) for x in (dh, dc, dc.unsqueeze(-2), dv))
        dv_c, dv_o = dv[..., : 3 * C].unflatten(-1, (3, C)).unbind(0), dv[..., 3 * C :].unbind(0)
        to_c_t, to_o_t, factors_t, f_t = (x.unbind(0) for x in (to_c, to_o, factors, f))
        add = add_product(U)
        for t in range(T - 1, -1, -1):
            dc_t[t].addcmul_(dh_t[t], to_c_t[t])
            torch.mul(dc_wide[t], factors_t[t], out=dv_c[t])
            torch.mul(dh_t[t], to_o_t[t], out=dv_o[t])
            if t > 0:
                torch.mul(dc_t[t], f_t[t], out=dc_t[t - 1])
                add(dh_t[t - 1], dv_t[t], U, out=dh_t[t - 1])
        return dv, sum_of_products(dv, h[:-1])


@register
class LSTM(CellMixer):
    """Hidden and cell state of `width` units each; the hidden state is the output."""

    states = 2

    def __init__(self, width: int, layer: int, length: int, *, forget_bias: float = 1.0) -> None:
        super().__init__(nn.LSTM(width, width, batch_first=True))
        _, _, b, c = self.weights()
        forget = slice(width, 2 * width)  # gates in the order i, f, g, o
        with torch.no_grad():
            b[forget], c[forget] = forget_bias, 0.0

    def forward(self, u: Tensor) -> Tensor:
        if not self.stacked:
            return self.cell(u)[0]  # (B, T, C)
        W, U, b, c = self.weights()
        v = F.linear(u.transpose(0, 1), W, b + c)  # (T, B, 4C)
        return self.scan(LSTMScan.apply, v, U).transpose(0, 1)  # (B, T, C)

    def initial_state(self, batch: int) -> tuple[Tensor, Tensor]:
        return self.zeros(batch), self.zeros(batch)

    def step(self, u: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        W, U, b, bias = self.weights()
        h, c = state  # (B, C)
        i, f, g, o = (u @ W.T + b + h @ U.T + bias).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)
