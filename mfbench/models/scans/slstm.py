"""i = exp(W u + U h + b),  f, o = sigmoid(W u + U h + b),  z = tanh(W u + U h + b),
c' = f c + i z,  n' = f n + i,  h' = o c' / n'.

The exponential gate overflows. So c and n are carried relative to exp(m), with
m' = max(log f + m, log i) and m = -inf at the start (Beck et al. 2024, arXiv 2405.04517, equations
15 to 17). h does not depend on m.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mfbench.models.scans.products import add_product, scan_members, sum_of_products


def slstm_scan(u: Tensor, W: Tensor, U: Tensor, b: Tensor) -> Tensor:
    """All hidden states; rows of the weights are in order i, f, z, o.

    Parameters
    ----------
    u : (B, T, C) tensor
    W, U : (4N, C) and (4N, N) tensors
    b : (4N,) tensor

    Returns
    -------
    (B, T, N) tensor
    """
    v = F.linear(u.transpose(0, 1), W, b)  # (T, B, 4N)
    return scan_members(_SLSTMScan.apply, v, U).transpose(0, 1)


def slstm_loop(u: Tensor, W: Tensor, U: Tensor, b: Tensor) -> Tensor:
    """The recurrence without m, which overflows for large gates: the oracle of `slstm_scan`."""
    c = n = h = u.new_zeros(len(u), U.shape[1])
    states = []
    for u_t in u.unbind(1):
        i, f, z, o = (F.linear(u_t, W, b) + F.linear(h, U)).chunk(4, -1)
        i, f = torch.exp(i), torch.sigmoid(f)
        c = f * c + i * torch.tanh(z)
        n = f * n + i
        h = torch.sigmoid(o) * c / n
        states.append(h)
    return torch.stack(states, 1)


class _SLSTMScan(torch.autograd.Function):
    """All steps given v = W u + b, in as few operations per step as possible.

    Shapes are v (T, B, 4N) and U (4N, N), or (T, M, B, 4N) and (M, 4N, N) for M members. The
    backward pass holds m fixed, because h does not depend on it.
    """

    @staticmethod
    def forward(ctx: Any, v: Tensor, U: Tensor) -> Tensor:
        T, *members_batch, N4 = v.shape
        N = N4 // 4
        gates = v.new_empty(v.shape)  # i, f, z, o
        sigmoid_f = v.new_empty(T, *members_batch, N)
        c, n, h = v.new_zeros(3, T + 1, *members_batch, N)
        m = v.new_full((*members_batch, N), float("-inf"))
        i_t, f_t, z_t, o_t = (gate.unbind(0) for gate in gates.split(N, -1))
        v_t, gates_t, open_t = v.unbind(0), gates.unbind(0), sigmoid_f.unbind(0)
        c_t, n_t, h_t = c.unbind(0), n.unbind(0), h.unbind(0)
        add, U_T = add_product(U), U.mT
        for t in range(T):
            add(v_t[t], h_t[t], U_T, out=gates_t[t])
            torch.sigmoid(f_t[t], out=open_t[t])
            kept = F.logsigmoid(f_t[t]).add_(m)
            m = torch.maximum(kept, i_t[t])
            i_t[t].sub_(m).exp_()
            torch.sub(kept, m, out=f_t[t]).exp_()
            z_t[t].tanh_()
            o_t[t].sigmoid_()
            torch.mul(f_t[t], c_t[t], out=c_t[t + 1]).addcmul_(i_t[t], z_t[t])
            torch.addcmul(i_t[t], f_t[t], n_t[t], out=n_t[t + 1])
            torch.mul(o_t[t], c_t[t + 1], out=h_t[t + 1]).div_(n_t[t + 1])
        ctx.save_for_backward(U, gates, sigmoid_f, c, n, h)
        return h[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor]:
        U, gates, sigmoid_f, c, n, h = ctx.saved_tensors
        T, N = len(dy), dy.shape[-1]
        i, f, z, o = gates.split(N, -1)
        shut = f * (1 - sigmoid_f)
        to_c = o / n[1:]  # d h' / d c'
        to_n = -h[1:] / n[1:]  # d h' / d n'
        to_o = h[1:] * (1 - o)  # d h' / d (argument of o)
        # d c' and d n' / d (arguments of i, f, z), (T, B, 3, N)
        c_by = torch.stack((i * z, c[:-1] * shut, i * (1 - z**2)), -2)
        n_by = torch.stack((i, n[:-1] * shut, torch.zeros_like(i)), -2)
        dv, dh = torch.empty_like(gates), dy.clone()
        dc, dn = torch.zeros_like(dh), torch.zeros_like(dh)
        dh_t, dc_t, dn_t, dv_t = (x.unbind(0) for x in (dh, dc, dn, dv))
        dc_wide, dn_wide = dc.unsqueeze(-2).unbind(0), dn.unsqueeze(-2).unbind(0)
        dv_c, dv_o = dv[..., : 3 * N].unflatten(-1, (3, N)).unbind(0), dv[..., 3 * N :].unbind(0)
        to_c_t, to_n_t, to_o_t, f_t = (x.unbind(0) for x in (to_c, to_n, to_o, f))
        c_by_t, n_by_t, add = c_by.unbind(0), n_by.unbind(0), add_product(U)
        for t in range(T - 1, -1, -1):
            dc_t[t].addcmul_(dh_t[t], to_c_t[t])
            dn_t[t].addcmul_(dh_t[t], to_n_t[t])
            torch.mul(dc_wide[t], c_by_t[t], out=dv_c[t]).addcmul_(dn_wide[t], n_by_t[t])
            torch.mul(dh_t[t], to_o_t[t], out=dv_o[t])
            if t > 0:
                torch.mul(dc_t[t], f_t[t], out=dc_t[t - 1])
                torch.mul(dn_t[t], f_t[t], out=dn_t[t - 1])
                add(dh_t[t - 1], dv_t[t], U, out=dh_t[t - 1])
        return dv, sum_of_products(dv, h[:-1])
