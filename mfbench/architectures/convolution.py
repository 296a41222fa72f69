"""Causal convolution over time by FFT, and its obvious form."""

from __future__ import annotations

import torch
from torch import Tensor


def causal_convolution(u: Tensor, k: Tensor) -> Tensor:
    """y_t = sum_{s=0..t} k_s u_{t-s}, each channel with its own kernel, in O(T log T).

    Parameters
    ----------
    u : (B, T, C) tensor, real or complex
    k : (T, C) tensor, real or complex

    Returns
    -------
    (B, T, C) tensor, complex where either argument is
    """
    length = u.shape[1]
    # Twice the length, so that the circular convolution of the FFT does not wrap around.
    if u.is_complex() or k.is_complex():
        spectrum = torch.fft.fft(u, 2 * length, dim=1) * torch.fft.fft(k, 2 * length, dim=0)
        return torch.fft.ifft(spectrum, dim=1)[:, :length]
    spectrum = torch.fft.rfft(u, 2 * length, dim=1) * torch.fft.rfft(k, 2 * length, dim=0)
    return torch.fft.irfft(spectrum, 2 * length, dim=1)[:, :length]


def direct_convolution(u: Tensor, k: Tensor) -> Tensor:
    """The oracle of causal_convolution: the sum as it is written, in O(T^2)."""
    steps = [
        torch.einsum(
            "bsc,sc->bc",
            u[:, : t + 1].flip(1).to(torch.result_type(u, k)),
            k[: t + 1].to(torch.result_type(u, k)),
        )
        for t in range(u.shape[1])
    ]
    return torch.stack(steps, 1)
