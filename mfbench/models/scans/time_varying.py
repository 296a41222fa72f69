"""h_t = a_t h_{t-1} + v_t with h_0 = v_0, for each state separately; a_t changes over time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mfbench.models.members import over_members

# Number of states, over all sequences and members, from which stepping beats doubling. Measured on
# a CPU; estimated on a GPU as for `diagonal`.
WIDE = {"cpu": 512, "cuda": 65536}


def time_varying_scan(a: Tensor, v: Tensor) -> Tensor:
    """All states of a diagonal linear recurrence whose factors depend on time.

    Parameters
    ----------
    a, v : (B, T, N) tensors, real
        Factors and inputs; a_0 has no effect.

    Returns
    -------
    (B, T, N) tensor
    """
    return over_members(_TimeVaryingScan.apply, a, v)


def time_varying_loop(a: Tensor, v: Tensor) -> Tensor:
    """The plain recurrence: the oracle of `time_varying_scan`."""
    h, states = torch.zeros_like(v[:, 0]), []
    for a_t, v_t in zip(a.unbind(1), v.unbind(1), strict=True):
        h = a_t * h + v_t
        states.append(h)
    return torch.stack(states, 1)


class _TimeVaryingScan(torch.autograd.Function):
    """Shapes are (B, T, N), or (M, B, T, N) for M members."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, v: Tensor) -> Tensor:
        h = _scan(a, v)
        ctx.save_for_backward(a, h)
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor, Tensor]:
        a, h = ctx.saved_tensors
        dv = _scan(a, dh, backwards=True)  # the adjoint: dv_t = dh_t + a_{t+1} dv_{t+1}
        da = torch.zeros_like(a)
        torch.mul(dv[..., 1:, :], h[..., :-1, :], out=da[..., 1:, :])
        return da, dv


def _scan(a: Tensor, v: Tensor, *, backwards: bool = False) -> Tensor:
    """All steps, from the last to the first if `backwards`."""
    wide = v[..., 0, :].numel() >= WIDE.get(v.device.type, WIDE["cuda"])
    if wide:
        return _step_by_step(a, v, backwards=backwards)
    if not backwards:
        return _doubling(a, v)
    return _doubling(a.flip(-2).roll(1, -2), v.flip(-2)).flip(-2)


def _step_by_step(a: Tensor, v: Tensor, *, backwards: bool) -> Tensor:
    h = torch.empty_like(v)
    order = slice(None, None, -1 if backwards else 1)
    a_t, v_t, h_t = (x.unbind(-2)[order] for x in (a, v, h))
    h_t[0].copy_(v_t[0])
    factors = a_t[:-1] if backwards else a_t[1:]
    for factor, new, past, now in zip(factors, v_t[1:], h_t[:-1], h_t[1:], strict=True):
        torch.addcmul(new, past, factor, out=now)
    return h


def _doubling(a: Tensor, h: Tensor) -> Tensor:
    """All steps in log2(T) rounds: after k rounds h_t covers the last 2^k inputs.

    Hillis & Steele (1986), doi 10.1145/7902.7903. The product a_t of the last 2^k factors can
    underflow but, for factors up to 1, not overflow.
    """
    T, shift = h.shape[-2], 1
    while shift < T:
        doubled = h.clone()
        doubled[..., shift:, :].addcmul_(a[..., shift:, :], h[..., :-shift, :])
        # Before step 2 shift, h_t covers all inputs: its factor is not needed again.
        a = torch.cat((a[..., :shift, :], a[..., shift:, :] * a[..., :-shift, :]), -2)
        h, shift = doubled, 2 * shift
    return h
