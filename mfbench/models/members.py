"""Give a function all members at once, even under `torch.vmap`, which hides their axis.

vmap applies its own rules to every operation. For loops over time and for attention these are slow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class _OverMembers(torch.autograd.Function):
    """Calls the function outside of vmap, where autograd records its operations."""

    @staticmethod
    def forward(*_: Any) -> Tensor:
        raise RuntimeError("vmap calls the static method vmap() instead")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        """Save nothing: forward() never runs."""

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
    # torch.func has no public function for this.
    return any(torch._C._functorch.is_batchedtensor(tensor) for tensor in tensors)


def over_members(function: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Call a function; under vmap, call it once with the tensors (M, ...) of all M members.

    Parameters
    ----------
    function : callable
        Maps tensors to a tensor, both without and with a leading axis of members.
    *tensors : tensor
        Its arguments for one member.

    Returns
    -------
    tensor
        The result of one member.
    """
    if has_members(*tensors):
        return _OverMembers.apply(function, *tensors)
    return function(*tensors)
