"""S_t = S_{t-1} (diag(w_t) + a_t b_t') + v_t k_t',  y_t = S_t q_t, with S_0 = 0.

The state of a head is a matrix (V, K) that maps keys to values. Without a and b it decays and adds;
with them it also replaces what it holds for a key (the delta rule). In between two steps, w decays
each column, and w is given by its logarithm, which is at most 0.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from mfbench.models.members import over_members

CHUNK = 16  # steps; the fastest on a CPU at lengths of 64 and 128, width 16, batch 16
CHUNK_EACH = 8  # with a decay for each column


def matrix_state_scan(
    q: Tensor, k: Tensor, v: Tensor, log_w: Tensor, *a_b: Tensor, mild: bool = False
) -> Tensor:
    """All outputs of a recurrence with a state that is a matrix.

    Parameters
    ----------
    q, k : (B, T, H, K) tensors
        Queries and keys of H heads.
    v : (B, T, H, V) tensor
    log_w : (B, T, H, K) or (B, T, H, 1) tensor
        Logarithm of the decay, at most 0; one decay for all columns or one for each.
    *a_b : (B, T, H, K) tensors
        a and b, or neither of them.
    mild : bool
        Whether log w is never below -1; then a decay for each column costs little more than one.

    Returns
    -------
    (B, T, H, V) tensor
    """
    return over_members(functools.partial(_by_chunks, mild=mild), q, k, v, log_w, *a_b)


def matrix_state_loop(q: Tensor, k: Tensor, v: Tensor, log_w: Tensor, *a_b: Tensor) -> Tensor:
    """The plain recurrence: the oracle of `matrix_state_scan`."""
    S, outputs = v.new_zeros(*v[:, 0].shape, k.shape[-1]), []  # (B, H, V, K)
    for given in zip(*(x.unbind(1) for x in (q, k, v, log_w, *a_b)), strict=True):
        y_t, S = matrix_state_step(S, *given)
        outputs.append(y_t)
    return torch.stack(outputs, 1)


def matrix_state_step(
    S: Tensor, q: Tensor, k: Tensor, v: Tensor, log_w: Tensor, *a_b: Tensor
) -> tuple[Tensor, Tensor]:
    """One step: the state (B, H, V, K) and vectors (B, H, ...) -> output (B, H, V) and state."""
    after = S * torch.exp(log_w)[..., None, :] + v[..., :, None] * k[..., None, :]
    if a_b:
        a, b = a_b
        after = after + (S @ a[..., :, None]) * b[..., None, :]
    return (after @ q[..., :, None])[..., 0], after


def _by_chunks(q: Tensor, k: Tensor, v: Tensor, log_w: Tensor, *a_b: Tensor, mild: bool) -> Tensor:
    """All steps within a chunk at once, one chunk after the other.

    With G_t the sum of log w from the start of the chunk to t, what step s writes has decayed by
    exp(G_t - G_s) at step t. What a_t reads, u_t = S_{t-1} a_t, is written with key b_t, and
    depends on what earlier steps of the chunk read: a triangular system with a unit diagonal (the
    WY form of Yang et al., 2406.06484, with decays). Everything is linear in the state R (K, V) at
    the start of the chunk, transposed:

        u = U + P R,  y = Y + Q R,  and at its end  diag(exp G_L) R + B' u + K' v = M R + N.
    """
    T = q.shape[-3]
    L = min(T, CHUNK if log_w.shape[-1] == 1 or mild else CHUNK_EACH)
    q, k, v, log_w = (_cut(x, L) for x in (q, k, v, log_w))  # (..., H, n, L, .)
    G = log_w.cumsum(-2)
    scores = _Scores(G, mild=mild)
    to_end = torch.exp(G[..., -1:, :] - G)
    K_end = (k * to_end).mT  # (..., K, L)
    Y = scores(q, k) @ v  # (..., L, V)
    Q = q * torch.exp(G)  # (..., L, K)
    N = K_end @ v  # (..., K, V)
    M = torch.exp(G[..., -1, :])[..., None]  # (..., K or 1, 1): a diagonal
    if a_b:
        a, b = (_cut(x, L) for x in a_b)
        later = F.pad(a, (0, 0, -1, 1))  # a_t reads the state of the step before
        A, K_read = (F.pad(scores(later, z), (0, 0, 1, -1)) for z in (b, k))  # (..., L, L)
        reads = torch.cat((K_read @ v, a * torch.exp(G - log_w)), -1)  # (..., L, V + K)
        I = torch.eye(L, dtype=A.dtype, device=A.device)  # noqa: E741
        solved = torch.linalg.solve_triangular(I - A, reads, upper=False, unitriangular=True)
        U, P = solved.split((v.shape[-1], k.shape[-1]), -1)  # (..., L, V) and (..., L, K)
        written, B_end = scores(q, b), (b * to_end).mT
        Y, Q = Y + written @ U, Q + written @ P
        N = N + B_end @ U
        M = torch.diag_embed(M[..., 0].expand(N.shape[:-1])) + B_end @ P  # (..., K, K)
    starts = [torch.zeros_like(N[..., 0, :, :])]
    for M_c, N_c in zip(M.unbind(-3)[:-1], N.unbind(-3)[:-1], strict=True):
        R = starts[-1]
        starts.append(N_c + (M_c @ R if a_b else M_c * R))
    y = Y + Q @ torch.stack(starts, -3)  # (..., H, n, L, V)
    return y.movedim(-4, -2).flatten(-4, -3)[..., :T, :, :]


def _cut(x: Tensor, L: int) -> Tensor:
    """Chunks of L steps, (..., T, H, D) -> (..., H, n, L, D), with zeros after the last step."""
    if extra := -x.shape[-3] % L:
        x = F.pad(x, (0, 0, 0, 0, 0, extra))
    return x.unflatten(-3, (-1, L)).movedim(-2, -4)


class _Scores:
    """sum_d x_td z_sd exp(G_td - G_sd) for t >= s, and 0 for t < s: (..., L, K) twice -> (L, L)."""

    def __init__(self, G: Tensor, *, mild: bool) -> None:
        self.mild = mild and G.shape[-1] > 1
        if self.mild:  # exp(-G) does not overflow
            self.falling, self.rising = torch.exp(G), torch.exp(-G)
            return
        L = G.shape[-2]
        future = torch.ones(L, L, dtype=torch.bool, device=G.device).triu(1)[..., None]
        exponent = G.unsqueeze(-2) - G.unsqueeze(-3)  # (..., L, L, K or 1)
        self.decay = torch.exp(exponent.masked_fill(future, 0.0))

    def __call__(self, x: Tensor, z: Tensor) -> Tensor:
        if self.mild:
            found = (x * self.falling) @ (z * self.rising).mT
        elif self.decay.shape[-1] == 1:
            found = (x @ z.mT) * self.decay[..., 0]
        else:
            found = (x.unsqueeze(-2) * self.decay * z.unsqueeze(-3)).sum(-1)
        return found.tril()
