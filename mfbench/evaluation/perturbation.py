"""The error after a perturbation of the trained weights, E(beta).

This follows the perturbation error of Wang, Li & Li (arXiv 2305.19190): a stable approximation
keeps its error under small changes of the weights. They take the worst case within a radius beta.
Here it is the median over random directions, and beta is relative to the norm of the weights, so
that architectures of different size can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfbench.evaluation.error import relative_mse
from mfbench.models.ensemble import Ensemble

_KEY = (1000, 10)  # differs from the keys of training (mfbench.training.streams)


def directions(seed: int, *, repeats: int, parameters: int) -> NDArray[np.float64]:
    """Random directions of norm 1 in the space of all weights, (repeats, parameters)."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=_KEY))
    gaussian = stream.standard_normal((repeats, parameters))
    return np.asarray(gaussian / np.linalg.norm(gaussian, axis=1, keepdims=True))


def perturbation_error(
    ensemble: Ensemble,
    x: Tensor,
    y: Tensor,
    *,
    relative_norms: Sequence[float],
    repeats: int,
    seeds: Sequence[int],
    scored_from: int,
    batch_size: int,
) -> NDArray[np.float64]:
    """Median relative error after random perturbations of all weights.

    All norms share the same directions. An output that is not finite counts as an infinite error.
    The weights are restored afterwards.

    Parameters
    ----------
    ensemble : Ensemble
        M models.
    x : (M, N, T, d) tensor
        Inputs of the test sequences of each.
    y : (M, N, T) tensor
        Their targets.
    relative_norms : sequence of float
        Norms beta of the perturbation, relative to the norm of the weights; 0: no perturbation.
    repeats : int
        Number of directions.
    seeds : sequence of int
        Seed of each member's directions.
    scored_from : int
        First scored step.
    batch_size : int
        Sequences per batch.

    Returns
    -------
    (M, len(relative_norms)) float64 array
    """
    weights = ensemble.parameters.clone()  # (M, P)
    parameters = weights.shape[1]
    ways = np.stack([directions(s, repeats=repeats, parameters=parameters) for s in seeds], 1)
    steps = torch.from_numpy(ways).to(weights) * weights.norm(dim=1)[:, None]  # (repeats, M, P)

    def error(change: Tensor) -> NDArray[np.float64]:
        ensemble.parameters.copy_(weights + change)
        return relative_mse(ensemble, x, y, scored_from=scored_from, batch_size=batch_size)

    try:
        errors = [
            np.median([error(beta * step) for step in (steps if beta else steps[:1])], 0)
            for beta in relative_norms
        ]
    finally:
        ensemble.parameters.copy_(weights)
    return np.stack(errors, 1)
