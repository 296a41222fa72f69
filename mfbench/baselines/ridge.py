"""Ridge regression of the target on the last w inputs, with w chosen on the validation split.

One Gram matrix of all lags serves every window: that of a window is its leading block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfbench.tasks.datasets import Task
from mfbench.tasks.past import convolve

Array = NDArray[np.float64]

PENALTIES = 10.0 ** np.arange(-10, 1)
_TIE = 1e-12  # smaller validation errors are equal: what is left is rounding of float32 targets


@dataclass(frozen=True)
class Ridge:
    """A fitted regression.

    Attributes
    ----------
    window : int
        Number of lags w; lag 0 is the current step.
    penalty : float
        Factor of the squared norm of the responses, which is added to the mean squared error.
    responses : (T, d) array
        Response over lag to each input channel, 0 beyond the window.
    """

    window: int
    penalty: float
    responses: Array

    def predict(self, inputs: NDArray[Any]) -> Array:
        """Predictions (N, T) for inputs (N, T, d)."""
        channels = np.moveaxis(inputs.astype(np.float64), -1, 0)  # (d, N, T)
        return sum(
            (convolve(x, h) for x, h in zip(channels, self.responses.T, strict=True)),
            start=np.zeros(inputs.shape[:2]),
        )


def fit_ridge(task: Task) -> Ridge:
    """Fit all windows 1, 2, 4, ..., T and all penalties, and choose on the validation split.

    Parameters
    ----------
    task : Task
        With its training and validation splits; in marked tasks, marks are a second input.

    Returns
    -------
    Ridge
        The smallest window and penalty with the lowest validation error.
    """
    G, c, _ = _moments(task, "train")
    G_held, c_held, yy_held = _moments(task, "validation")
    length, channels = len(task.kernel), task.inputs("train").shape[-1]
    best, chosen = np.inf, Ridge(0, 0.0, np.zeros((length, channels)))
    for window in windows(length):
        m = window * channels
        size, V = np.linalg.eigh(G[:m, :m])
        B = V @ ((V.T @ c[:m])[:, None] / (np.maximum(size, 0)[:, None] + PENALTIES))  # (m, P)
        errors = yy_held - 2 * c_held[:m] @ B + np.sum(B * (G_held[:m, :m] @ B), axis=0)
        errors = np.maximum(errors, _TIE)
        i = int(np.argmin(errors))
        if errors[i] < best:
            responses = np.zeros((length, channels))
            responses[:window] = B[:, i].reshape(window, channels)
            best, chosen = errors[i], Ridge(window, float(PENALTIES[i]), responses)
    return chosen


def windows(length: int) -> list[int]:
    """The windows to choose from: powers of 2 below T, and T."""
    return [2**i for i in range((length - 1).bit_length())] + [length]


def _moments(task: Task, split: str) -> tuple[Array, Array, float]:
    """Means over the scored steps of a split, of products of inputs z and target y.

    Returns z z' (T d, T d), z y (T d,) and y y; z holds all channels of lag 0, then of lag 1, ...
    """
    z = np.moveaxis(task.inputs(split).astype(np.float64), -1, 0)  # (d, N, T)
    y = task.y[split].astype(np.float64)
    d, count, length = z.shape
    G, c = np.empty((length, d, length, d)), np.empty((length, d))
    for i in range(d):
        for j in range(i + 1):
            G[:, i, :, j] = lagged_moments(z[i], z[j], task.scored_from)
            G[:, j, :, i] = G[:, i, :, j].T
        c[:, i] = lagged_moments(z[i], y, task.scored_from)[:, 0]
    steps = count * (length - task.scored_from)
    yy = float(np.sum(y[:, task.scored_from :] ** 2))
    return G.reshape(length * d, -1) / steps, c.ravel() / steps, yy / steps


def lagged_moments(a: Array, b: Array, scored_from: int) -> Array:
    """Sum over sequences and scored steps t of a_{t-s} b_{t-s'}, (T, T) over s and s'.

    Parameters
    ----------
    a, b : (N, T) arrays
        They are 0 before their first step.
    scored_from : int
        First scored step t0.
    """
    M = a.T @ b  # (T, T) over two steps; products with the same two lags lie on a diagonal
    for t in range(1, len(M)):
        M[t, 1:] += M[t - 1, :-1]
    found = M[::-1, ::-1].copy()  # sums over all steps
    before = M[:scored_from, :scored_from]  # of which those before t0 are subtracted
    found[:scored_from, :scored_from] -= before[::-1, ::-1]
    return found
