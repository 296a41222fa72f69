"""How many members train together: as many as the memory for one step of theirs allows."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from mfbench.architectures.model import SequenceModel

# Bytes that a step may take on a CPU: about what its caches hold. With more, members that train
# together are slower than one after the other (benchmarks/).
CPU_BYTES = 16_000_000
# A step's peak over what the forward pass keeps for the backward one (tests/training/test_memory).
_PEAK = 1.5


def step_bytes(model: SequenceModel, x: Tensor) -> int:
    """Estimate of the memory that one training step of one member takes.

    Parameters
    ----------
    model : SequenceModel
    x : (B, T) tensor
        A batch.

    Returns
    -------
    int
        Bytes at the peak, parameters and state of the optimiser included.
    """
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        model(x[..., None])
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    activations = sum(size for pointer, size in kept.items() if pointer not in own)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    batch = 2 * x.numel() * x.element_size()
    # Weights, best weights, gradient (twice while it is put together), two moments and an update.
    return int(_PEAK * activations + batch + 7 * weights)


def members_at_once(
    setting: int | Literal["auto"], *, bytes_of_a_member: int, share: int | None, members: int
) -> int:
    """Members that train together, at most.

    It follows from sizes alone, never from what happens to be free: who trains together does not
    depend on what else runs.

    Parameters
    ----------
    setting : int or "auto"
        ``training.ensemble_size``.
    bytes_of_a_member : int
        `step_bytes`.
    share : int or None
        Bytes of a GPU that are this job's; None on a CPU.
    members : int
        How many there are to train.

    Returns
    -------
    int
        1 or more; what makes ensembles of about equal size.
    """
    most: int | str = setting
    if most == "auto":
        most = max(1, (CPU_BYTES if share is None else share) // bytes_of_a_member)
    ensembles = -(-members // most)
    return -(-members // max(ensembles, 1)) or 1
