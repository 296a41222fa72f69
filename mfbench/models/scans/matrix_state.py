"""S_t = S_{t-1} (diag(w_t) + a_t b_t') + v_t k_t',  y_t = S_t q_t, with S_0 = 0.

The state of a head is a matrix (V, K) that maps keys to values. Without a and b it decays and adds;
with them it also replaces what it holds for a key (the delta rule). In between two steps, w decays
each column, and w is given by its logarithm, which is at most 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from mfbench.models.members import over_members

# Steps in a chunk, with one decay for all columns or one for each: the fastest on a CPU at lengths
# of 64 and 128, width 16, batch 16.
CHUNK = {"all": 16, "each": 8}


def matrix_state_scan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_w: Tensor,
    a: Tensor | None = None,
    b: Tensor | None = None,
) -> Tensor:
    """All outputs of a recurrence with a state that is a matrix.

    Parameters
    ----------
    q, k : (B, T, H, K) tensors
        Queries and keys of H heads.
    v : (B, T, H, V) tensor
    log_w : (B, T, H, K) or (B, T, H, 1) tensor
        Logarithm of the decay, at most 0; one decay for all columns or one for each.
    a, b : (B, T, H, K) tensors, optional

    Returns
    -------
    (B, T, H, V) tensor
    """
    given = (q, k, v, log_w) if a is None or b is None else (q, k, v, log_w, a, b)
    return over_members(_by_chunks, *given)


def matrix_state_loop(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_w: Tensor,
    a: Tensor | None = None,
    b: Tensor | None = None,
) -> Tensor:
    """The plain recurrence: the oracle of `matrix_state_scan`."""
    S, outputs = v.new_zeros(*v[:, 0].shape, k.shape[-1]), []  # (B, H, V, K)
    for t in range(v.shape[1]):
        a_b = [] if a is None or b is None else [a[:, t], b[:, t]]
        y_t, S = matrix_state_step(S, q[:, t], k[:, t], v[:, t], log_w[:, t], *a_b)
        outputs.append(y_t)
    return torch.stack(outputs, 1)


def matrix_state_step(
    S: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_w: Tensor,
    a: Tensor | None = None,
    b: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """One step: the state (B, H, V, K) and vectors (B, H, ...) -> output (B, H, V) and state."""
    after = S * torch.exp(log_w)[..., None, :] + v[..., :, None] * k[..., None, :]
    if a is not None and b is not None:
        after = after + (S @ a[..., :, None]) * b[..., None, :]
    return (after @ q[..., :, None])[..., 0], after


def _by_chunks(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    log_w: Tensor,
    a: Tensor | None = None,
    b: Tensor | None = None,
) -> Tensor:
    """All steps within a chunk at once, one chunk after the other.

    With G_t the sum of log w from the start of the chunk to t, what step s writes has decayed by
    exp(G_t - G_s) at step t. What a_t reads, u_t = S_{t-1} a_t, is written with key b_t, and
    depends on what earlier steps of the chunk read: a triangular system with a unit diagonal (the
    WY form of Yang et al., 2406.06484, with decays). Everything is linear in the state R (K, V) at
    the start of the chunk, transposed:

        u = U + P R,  y = Y + Q R,  and at its end  diag(exp G_L) R + B' u + K' v = M R + N.
    """
    T = q.shape[-3]
    L = min(T, CHUNK["all" if log_w.shape[-1] == 1 else "each"])
    q, k, v, log_w = (_cut(x, L) for x in (q, k, v, log_w))  # (..., H, n, L, .)
    G = log_w.cumsum(-2)
    decay = torch.exp((G.unsqueeze(-2) - G.unsqueeze(-3)).clamp(max=0))  # (..., L, L, K or 1)
    to_end = torch.exp(G[..., -1:, :] - G)
    K_end = (k * to_end).mT  # (..., K, L)
    Y = _scores(q, k, decay) @ v  # (..., L, V)
    Q = q * torch.exp(G)  # (..., L, K)
    N = K_end @ v  # (..., K, V)
    M = torch.exp(G[..., -1, :])[..., None]  # (..., K or 1, 1): a diagonal
    if a is not None and b is not None:
        a, b = _cut(a, L), _cut(b, L)
        later = F.pad(a, (0, 0, -1, 1))  # a_t reads the state of the step before
        A, K_read = (F.pad(_scores(later, z, decay), (0, 0, 1, -1)) for z in (b, k))  # (..., L, L)
        reads = torch.cat((K_read @ v, a * torch.exp(G - log_w)), -1)  # (..., L, V + K)
        I = torch.eye(L, dtype=A.dtype, device=A.device)  # noqa: E741
        solved = torch.linalg.solve_triangular(I - A, reads, upper=False, unitriangular=True)
        U, P = solved.split((v.shape[-1], k.shape[-1]), -1)  # (..., L, V) and (..., L, K)
        written, B_end = _scores(q, b, decay), (b * to_end).mT
        Y, Q = Y + written @ U, Q + written @ P
        N = N + B_end @ U
        M = torch.diag_embed(M[..., 0].expand(N.shape[:-1])) + B_end @ P  # (..., K, K)
    starts = [torch.zeros_like(N[..., 0, :, :])]
    for M_c, N_c in zip(M.unbind(-3)[:-1], N.unbind(-3)[:-1], strict=True):
        R = starts[-1]
        starts.append(N_c + (M_c * R if a is None else M_c @ R))
    y = Y + Q @ torch.stack(starts, -3)  # (..., H, n, L, V)
    return y.movedim(-4, -2).flatten(-4, -3)[..., :T, :, :]


def _cut(x: Tensor, L: int) -> Tensor:
    """Chunks of L steps, (..., T, H, D) -> (..., H, n, L, D), with zeros after the last step."""
    if extra := -x.shape[-3] % L:
        x = F.pad(x, (0, 0, 0, 0, 0, extra))
    return x.unflatten(-3, (-1, L)).movedim(-2, -4)


def _scores(x: Tensor, z: Tensor, decay: Tensor) -> Tensor:
    """sum_d x_td z_sd decay_tsd for t >= s, and 0 for t < s: (..., L, L).

    With one decay for each d, a product of x exp(G) and z exp(-G) would be faster, but overflows.
    """
    if decay.shape[-1] == 1:
        return ((x @ z.mT) * decay[..., 0]).tril()
    return (x.unsqueeze(-2) * decay * z.unsqueeze(-3)).sum(-1).tril()
