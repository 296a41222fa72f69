"""i, f, o = sigmoid(W u + U h + b),  g = tanh(W u + U h + b),  c' = f c + i g,  h' = o tanh(c')."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mfbench.models.members import over_members
from mfbench.models.scans.products import add_product, scan_members, sum_of_products


def lstm_scan(u: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """All hidden states of a long short-term memory; rows of the weights are in order i, f, g, o.

    Parameters
    ----------
    u : (B, T, C) tensor
    W, U : (4N, C) and (4N, N) tensors
    b, c : (4N,) tensors
        Their sum is the bias.

    Returns
    -------
    (B, T, N) tensor
    """
    if u.is_cpu:
        return over_members(_by_torch, u, W, U, b, c)
    return lstm_scan_by_step(u, W, U, b, c)


def lstm_scan_by_step(u: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Step by step, for all members at once; used on GPUs."""
    v = F.linear(u.transpose(0, 1), W, b + c)  # (T, B, 4N)
    return scan_members(_LSTMScan.apply, v, U).transpose(0, 1)


def _by_torch(u: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """One oneDNN call for all steps of a member; on a CPU faster than stepping all members."""
    if u.ndim == 4:
        members = zip(*(tensor.unbind(0) for tensor in (u, W, U, b, c)), strict=True)
        return torch.stack([_by_torch(*member) for member in members])
    start = u.new_zeros(1, len(u), U.shape[1])
    h: Tensor = torch.lstm(u, (start, start), (W, U, b, c), True, 1, 0.0, True, False, True)[0]
    return h


def lstm_loop(u: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The plain recurrence: the oracle of `lstm_scan`."""
    h = cell = u.new_zeros(len(u), U.shape[1])
    states = []
    for u_t in u.unbind(1):
        i, f, g, o = (F.linear(u_t, W, b) + F.linear(h, U, c)).chunk(4, -1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(cell)
        states.append(h)
    return torch.stack(states, 1)


class _LSTMScan(torch.autograd.Function):
    """All steps given v = W u + b, in as few operations per step as possible.

    Shapes are v (T, B, 4N) and U (4N, N), or (T, M, B, 4N) and (M, 4N, N) for M members. The
    backward pass computes the derivatives of c' and h' by the gates for all steps at once, because
    they do not depend on the gradients.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, U: Tensor) -> Tensor:
        T, *members_batch, N4 = v.shape
        N = N4 // 4
        gates = v.new_empty(v.shape)
        c, h = v.new_zeros(2, T + 1, *members_batch, N)
        tanh_c = v.new_empty(T, *members_batch, N)
        i_t, f_t, g_t, o_t = (gate.unbind(0) for gate in gates.split(N, -1))
        v_t, gates_t, i_f_t = v.unbind(0), gates.unbind(0), gates[..., : 2 * N].unbind(0)
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
        T, N = len(tanh_c), tanh_c.shape[-1]
        i, f, g, o = gates.split(N, -1)
        to_c = o * (1 - tanh_c**2)  # d h' / d c'
        to_o = tanh_c * o * (1 - o)  # d h' / d (argument of o)
        factors = torch.stack(
            (g * i * (1 - i), c[:-1] * f * (1 - f), i * (1 - g**2)), -2
        )  # d c' / d (arguments of i, f, g), (T, B, 3, N)
        dv = torch.empty_like(gates)
        dh, dc = dy.clone(), torch.zeros_like(tanh_c)
        dh_t, dc_t, dc_wide, dv_t = (x.unbind(0) for x in (dh, dc, dc.unsqueeze(-2), dv))
        dv_c, dv_o = dv[..., : 3 * N].unflatten(-1, (3, N)).unbind(0), dv[..., 3 * N :].unbind(0)
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
