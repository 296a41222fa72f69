"""Functions that want the axis of all members, called where `torch.vmap` has hidden it.

vmap carries the axis through every operation that has a rule for it. Loops over time and attention
have none that is fast.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class _OverMembers(torch.autograd.Function):
    """Steps out of vmap; autograd records what the function does there."""

    @staticmethod
    def forward(*_: Any) -> Tensor:
        raise RuntimeError("vmap calls the static method vmap() instead")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Nothing to keep: forward() never runs."""

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        function: Callable[..., Tensor],
        *tensors: Tensor,
    ) -> tuple[Tensor, int]:
        whole = [
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip(tensors, in_dims[1:], strict=True)
        ]
        return function(*whole), 0


def has_members(*tensors: Tensor) -> bool:
    """Whether vmap hides an axis of members in one of the tensors."""
    # torch.func has no public way to ask this.
    return any(torch._C._functorch.is_batchedtensor(tensor) for tensor in tensors)


def over_members(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Call a function, under vmap with the tensors (M, ...) of all M members at once.

    Parameters
    ----------
    function : callable
        Maps tensors to a tensor, also where each has a leading axis of members.
    *tensors : tensor
        Its arguments, those of one member.

    Returns
    -------
    tensor
        The result of one member.
    """
    if has_members(*tensors):
        return _OverMembers.apply(function, *tensors)
    return function(*tensors)
