"""r, z = sigmoid(W u + b + U h + c),  n = tanh(W u + b + r (U h + c)),  h' = (1 - z) n + z h."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mfbench.models.scans.products import add_product, scan_members, sum_of_products


def gru_scan(u: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """All states of a gated recurrent unit; rows of the weights are in the order r, z, n.

    Parameters
    ----------
    u : (B, T, C) tensor
    W, U : (3N, C) and (3N, N) tensors
    b, c : (3N,) tensors

    Returns
    -------
    (B, T, N) tensor
    """
    v = F.linear(u.transpose(0, 1), W, b)  # (T, B, 3N)
    return scan_members(_GRUScan.apply, v, U, c).transpose(0, 1)


def gru_loop(u: Tensor, W: Tensor, U: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The plain recurrence: the oracle of `gru_scan`."""
    h, states = u.new_zeros(len(u), U.shape[1]), []
    for u_t in u.unbind(1):
        Wu_r, Wu_z, Wu_n = F.linear(u_t, W, b).chunk(3, -1)
        Uh_r, Uh_z, Uh_n = F.linear(h, U, c).chunk(3, -1)
        r, z = torch.sigmoid(Wu_r + Uh_r), torch.sigmoid(Wu_z + Uh_z)
        h = (1 - z) * torch.tanh(Wu_n + r * Uh_n) + z * h
        states.append(h)
    return torch.stack(states, 1)


class _GRUScan(torch.autograd.Function):
    """All steps given v = W u + b, in as few operations per step as possible.

    Shapes are v (T, B, 3N), U (3N, N) and c (3N,), or (T, M, B, 3N), (M, 3N, N) and (M, 3N) for M
    members.

    The backward pass computes the factors d h' / d (U h + c) of all steps at once, because they do
    not depend on the gradients. On a CPU it is more than twice as fast as torch.nn.GRU at the sizes
    of a study (benchmarks/).
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, U: Tensor, c: Tensor) -> Tensor:
        T, *members_batch, N3 = v.shape
        N = N3 // 3
        gates = v.new_empty(T, *members_batch, 2 * N)  # r and z
        n = v.new_empty(T, *members_batch, N)
        Uh = v.new_empty(v.shape)  # U h + c, (T, B, 3N)
        h = v.new_empty(T + 1, *members_batch, N)
        h[0] = 0
        v_gates, v_n = v[..., : 2 * N].unbind(0), v[..., 2 * N :].unbind(0)
        Uh_t, Uh_gates, Uh_n = Uh.unbind(0), Uh[..., : 2 * N].unbind(0), Uh[..., 2 * N :].unbind(0)
        gates_t, n_t, h_t = gates.unbind(0), n.unbind(0), h.unbind(0)
        r_t, z_t = gates[..., :N].unbind(0), gates[..., N:].unbind(0)
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
        T, N, add = len(n), n.shape[-1], add_product(U)
        r, z, past = gates[..., :N], gates[..., N:], h[:-1]
        to_n = (1 - z) * (1 - n**2)  # d h' / d (argument of tanh)
        factors = torch.stack(
            (to_n * Uh[..., 2 * N :] * r * (1 - r), (past - n) * z * (1 - z), to_n * r), -2
        )  # d h' / d (U h + c), (T, B, 3, N)
        dUh, dh = torch.empty_like(factors), dy.clone()
        factors_t, dUh_t, flat_t = factors.unbind(0), dUh.unbind(0), dUh.flatten(-2).unbind(0)
        dh_t, dh_wide, z_t = dh.unbind(0), dh.unsqueeze(-2).unbind(0), z.unbind(0)
        for t in range(T - 1, -1, -1):
            torch.mul(dh_wide[t], factors_t[t], out=dUh_t[t])
            if t > 0:
                dh_t[t - 1].addcmul_(dh_t[t], z_t[t])
                add(dh_t[t - 1], flat_t[t], U, out=dh_t[t - 1])
        dUh = dUh.flatten(-2)  # (T, B, 3N)
        dv = torch.cat((dUh[..., : 2 * N], dh * to_n), -1)
        return dv, sum_of_products(dUh, past), dUh.sum((0, -2))
