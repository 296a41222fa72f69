"""Causal convolutions over time, each with its plain sum as the oracle."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from mfbench.models.members import over_members


def causal_convolution(u: Tensor, k: Tensor) -> Tensor:
    """y_t = sum_{s=0..t} k_s u_{t-s}, each channel with its own kernel, in O(T log T).

    Parameters
    ----------
    u : (B, T, C) tensor
    k : (C, T) tensor

    Returns
    -------
    (B, T, C) tensor
    """
    return over_members(_CausalConvolution.apply, u, k)


def causal_convolution_sum(u: Tensor, k: Tensor) -> Tensor:
    """The plain sum, in O(T^2): the oracle of `causal_convolution`."""
    steps = [
        torch.einsum("bsc,cs->bc", u[:, : t + 1].flip(1), k[:, : t + 1]) for t in range(u.shape[1])
    ]
    return torch.stack(steps, 1)


class _CausalConvolution(torch.autograd.Function):
    """FFTs over contiguous time, for u (B, T, C) and k (C, T), or with a leading M each."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, k: Tensor) -> Tensor:
        # Twice the length, so that the circular convolution of the FFT does not wrap around.
        T, n = u.shape[-2], 2 * u.shape[-2]
        U, K = torch.fft.rfft(u.mT.contiguous(), n), torch.fft.rfft(k, n).unsqueeze(-3)
        ctx.save_for_backward(U, K)
        return torch.fft.irfft(U * K, n)[..., :T].mT

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor]:
        U, K = ctx.saved_tensors  # (B, C, T+1) and (1, C, T+1)
        T, n = dy.shape[-2], 2 * dy.shape[-2]
        dY = torch.fft.rfft(dy.mT.contiguous(), n)
        du = torch.fft.irfft(dY * K.conj(), n)[..., :T].mT
        dk = torch.fft.irfft((dY * U.conj()).sum(-3), n)[..., :T]
        return du, dk


def short_convolution(u: Tensor, W: Tensor) -> Tensor:
    """y_t = sum_j W_j u_{t-j}, each channel with its own few taps.

    Parameters
    ----------
    u : (B, T, C) tensor
    W : (J, C) tensor

    Returns
    -------
    (B, T, C) tensor
    """
    y = u * W[0]
    for j in range(1, min(len(W), u.shape[1])):
        y = y + F.pad(u[:, :-j] * W[j], (0, 0, j, 0))
    return y


def dilated_convolution(u: Tensor, W: Tensor, dilation: int) -> Tensor:
    """y_t = sum_j W_j u_{t - j d}, with zeros before the first step.

    Parameters
    ----------
    u : (B, T, C) tensor
    W : (J, N, C) tensor
        Tap j, output and input channel.
    dilation : int
        Distance d between taps, in steps.

    Returns
    -------
    (B, T, N) tensor
    """
    return over_members(lambda u, W: _DilatedConvolution.apply(u, W, dilation), u, W)


def dilated_convolution_sum(u: Tensor, W: Tensor, dilation: int) -> Tensor:
    """The plain sum: the oracle of `dilated_convolution`."""
    steps = []
    for t in range(u.shape[1]):
        taps = range(min(len(W), t // dilation + 1))
        steps.append(torch.stack([u[:, t - j * dilation] @ W[j].T for j in taps]).sum(0))
    return torch.stack(steps, 1)


class _DilatedConvolution(torch.autograd.Function):
    """One matrix product per tap, for u (B, T, C) and W (J, N, C), or with a leading M each.

    Time comes before the batch: then the steps of a tap are contiguous in memory and need no copy.
    Faster than torch.nn.Conv1d on a CPU (benchmarks/).
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, W: Tensor, d: int) -> Tensor:
        alone = u.ndim == 3
        u, W = (u[None], W[None]) if alone else (u, W)
        x = u.transpose(1, 2).contiguous()  # (M, T, B, C)
        T = x.shape[1]
        y = torch.bmm(x.flatten(1, 2), W[:, 0].mT).unflatten(1, x.shape[1:3])  # (M, T, B, N)
        for j in range(1, min(W.shape[1], (T - 1) // d + 1)):
            y[:, j * d :].flatten(1, 2).baddbmm_(x[:, : T - j * d].flatten(1, 2), W[:, j].mT)
        ctx.save_for_backward(x, W)
        ctx.d, ctx.alone = d, alone
        y = y.transpose(1, 2)
        return y[0] if alone else y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:
        (x, W), d = ctx.saved_tensors, ctx.d
        T = x.shape[1]
        g = (dy[None] if ctx.alone else dy).transpose(1, 2).contiguous()  # (M, T, B, N)
        dx = torch.bmm(g.flatten(1, 2), W[:, 0]).unflatten(1, x.shape[1:3])  # (M, T, B, C)
        dW = torch.zeros_like(W)
        torch.bmm(g.flatten(1, 2).mT, x.flatten(1, 2), out=dW[:, 0])
        for j in range(1, min(W.shape[1], (T - 1) // d + 1)):
            late, early = g[:, j * d :].flatten(1, 2), x[:, : T - j * d].flatten(1, 2)
            dx[:, : T - j * d].flatten(1, 2).baddbmm_(late, W[:, j])
            torch.bmm(late.mT, early, out=dW[:, j])
        dx = dx.transpose(1, 2)
        return (dx[0], dW[0], None) if ctx.alone else (dx, dW, None)
