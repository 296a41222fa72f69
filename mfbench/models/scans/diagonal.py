"""h_t = lambda h_{t-1} + v_t with h_0 = v_0, for each real or complex state separately."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mfbench.models.members import over_members

# Number of states, over all sequences and members, from which stepping beats doubling. Measured on
# a CPU (benchmarks/); estimated on a GPU from the times to launch kernels and move memory.
WIDE = {"cpu": 1024, "cuda": 65536}


def diagonal_scan(lambda_: Tensor, v: Tensor) -> Tensor:
    """All states of a diagonal linear recurrence.

    Parameters
    ----------
    lambda_ : (N,) tensor, real or complex
    v : (B, T, N) tensor of the same kind

    Returns
    -------
    (B, T, N) tensor
    """
    return over_members(_DiagonalScan.apply, lambda_, v)


def diagonal_loop(lambda_: Tensor, v: Tensor) -> Tensor:
    """The plain recurrence: the oracle of `diagonal_scan`."""
    h, states = torch.zeros_like(v[:, 0]), []
    for v_t in v.unbind(1):
        h = lambda_ * h + v_t
        states.append(h)
    return torch.stack(states, 1)


class _DiagonalScan(torch.autograd.Function):
    """Shapes are lambda (N,) and v (B, T, N), or (M, N) and (M, B, T, N) for M members."""

    @staticmethod
    def forward(ctx: Any, lambda_: Tensor, v: Tensor) -> Tensor:
        h = _scan(lambda_, v)
        ctx.save_for_backward(lambda_, h)
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh: Tensor) -> tuple[Tensor, Tensor]:
        lambda_, h = ctx.saved_tensors
        dv = _scan(lambda_.conj().resolve_conj(), dh, backwards=True)  # the adjoint recurrence
        products = dv[..., 1:, :] * h[..., :-1, :].conj()
        return products.sum((-3, -2)), dv


def _scan(lambda_: Tensor, v: Tensor, *, backwards: bool = False) -> Tensor:
    """All steps, from the last to the first if `backwards`."""
    a = lambda_.unsqueeze(-2)  # over sequences
    wide = v[..., 0, :].numel() >= WIDE.get(v.device.type, WIDE["cuda"])
    return (_step_by_step if wide else _doubling)(a, v, backwards=backwards)


def _step_by_step(a: Tensor, v: Tensor, *, backwards: bool) -> Tensor:
    h = torch.empty_like(v)
    order = slice(None, None, -1 if backwards else 1)
    steps_v, steps_h = v.unbind(-2)[order], h.unbind(-2)[order]
    steps_h[0].copy_(steps_v[0])
    for v_t, past, now in zip(steps_v[1:], steps_h[:-1], steps_h[1:], strict=True):
        torch.addcmul(v_t, past, a, out=now)
    return h


def _doubling(a: Tensor, v: Tensor, *, backwards: bool) -> Tensor:
    """All steps in log2(T) rounds: after k rounds h_t covers the last 2^k inputs.

    Hillis & Steele (1986), doi 10.1145/7902.7903.
    """
    T, a, shift = v.shape[-2], a.unsqueeze(-2), 1
    h = v
    while shift < T:
        head, tail = slice(None, T - shift), slice(shift, None)
        now, past = (head, tail) if backwards else (tail, head)
        kept = slice(T - shift, None) if backwards else slice(None, shift)
        doubled = torch.empty_like(h)
        doubled[..., kept, :] = h[..., kept, :]
        torch.addcmul(h[..., now, :], h[..., past, :], a, out=doubled[..., now, :])
        h, a, shift = doubled, a * a, 2 * shift
    return h
