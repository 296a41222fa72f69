"""Products with weights in scans: for one model, or for all members, each with its own weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mfbench.models.members import has_members, over_members


def scan_members(function: Callable[..., Tensor], v: Tensor, *weights: Tensor) -> Tensor:
    """Apply a scan to v, (T, B, G) -> (T, B, N); under vmap, to all members at once.

    Under vmap the function gets v as (T, M, B, G) and the weights as (M, ...).
    """

    def of_all(v: Tensor, *weights: Tensor) -> Tensor:
        return function(v.transpose(0, 1), *weights).transpose(0, 1)

    if has_members(v, *weights):
        return over_members(of_all, v, *weights)
    return function(v, *weights)


def add_product(U: Tensor) -> Callable[..., Tensor]:
    """The function that adds a product with U (C, C), or for each member with its own (M, C, C).

    Call it as ``f(a, b, c, out=d)`` for d = a + b c.
    """
    return torch.addmm if U.ndim == 2 else torch.baddbmm


def sum_of_products(a: Tensor, b: Tensor) -> Tensor:
    """Sum of a b' over steps and sequences: (T, B, G), (T, B, C) -> (G, C), or each with an M."""
    if a.ndim == 4:
        a, b = a.transpose(0, 1), b.transpose(0, 1)  # (M, T, B, ...)
    return a.flatten(-3, -2).mT @ b.flatten(-3, -2)
