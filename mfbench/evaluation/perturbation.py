"""How much error a perturbation of the trained weights brings: E(beta).

After the perturbation error of Wang, Li & Li (arXiv 2305.19190): a model that approximates its
target stably keeps its error under small changes of its weights. There it is the worst case within
a radius beta; here it is the median over random directions, and beta is relative to the norm of the
weights, so that architectures of different size can be compared.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from mfbench.architectures.model import SequenceModel
from mfbench.evaluation.error import relative_mse

_KEY = (1000, 10)  # beside the streams of training (mfbench.training.streams)


def directions(seed: int, *, repeats: int, parameters: int) -> NDArray[np.float64]:
    """Random directions of norm 1 in the space of all weights, (repeats, parameters)."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=_KEY))
    gaussian = stream.standard_normal((repeats, parameters))
    return np.asarray(gaussian / np.linalg.norm(gaussian, axis=1, keepdims=True))


def perturbation_error(
    model: SequenceModel,
    x: Tensor,
    y: Tensor,
    *,
    relative_norms: Sequence[float],
    repeats: int,
    seed: int,
    scored_from: int,
    variance: float,
    batch_size: int,
) -> NDArray[np.float64]:
    """Median relative error against the target after random perturbations of all weights.

    All norms share the directions. An output that is not finite is an infinite error. The model
    itself is left alone.

    Parameters
    ----------
    x, y : (N, T) tensors
        Test sequences.
    relative_norms : sequence of float
        Norms beta of the perturbation relative to that of the weights; 0 gives the model's error.
    repeats : int
        Directions.
    seed : int
        Of the directions.
    scored_from : int
        First scored step.
    variance : float
        Squared error of the zero predictor.
    batch_size : int
        Sequences at once.

    Returns
    -------
    (len(relative_norms),) float64 array
    """
    perturbed = copy.deepcopy(model)
    weights = parameters_to_vector(model.parameters()).detach()
    ways = torch.from_numpy(directions(seed, repeats=repeats, parameters=len(weights)))
    ways = ways.to(weights) * weights.norm()

    def error(change: Tensor) -> float:
        vector_to_parameters(weights + change, perturbed.parameters())
        return relative_mse(
            perturbed, x, y, scored_from=scored_from, variance=variance, batch_size=batch_size
        )

    return np.array(
        [
            np.median([error(beta * way) for way in (ways if beta else ways[:1])])
            for beta in relative_norms
        ]
    )
