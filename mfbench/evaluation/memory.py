"""The memory function that a model has learned.

The mean Jacobian over the scored steps t >= s; a perfect model has the target's own memory
function.
"""

from __future__ import annotations

from torch import Tensor

from mfbench.architectures.jacobian import MeanJacobian, jacobian_rows, mean_jacobian
from mfbench.architectures.model import SequenceModel

__all__ = ["jacobian_rows", "learned_memory"]


def learned_memory(
    model: SequenceModel, x: Tensor, *, scored_from: int, probes: int, batch_size: int
) -> MeanJacobian:
    """The learned memory function, exact for linear models.

    A linear model is probed at every scored step, other models at `probes` pairs of an input and a
    scored step.

    Parameters
    ----------
    model : SequenceModel
    x : (N, T) tensor
        Inputs to average over.
    scored_from : int
        First scored step.
    probes : int
        Number of pairs for a model that is not linear.
    batch_size : int
        Pairs at once.
    """
    count = x.shape[1] - scored_from if model.linear else probes
    return mean_jacobian(model, x, scored_from=scored_from, probes=count, batch_size=batch_size)
