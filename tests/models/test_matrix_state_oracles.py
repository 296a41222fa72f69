"""Architectures with a matrix-valued state against the formulas of their papers.

The formulas are written out here from the weights on, head by head, values and gradients in
float64.
"""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from mfbench.models.architectures.gated_deltanet import GatedDeltaNet
from mfbench.models.architectures.gla import GLA
from mfbench.models.architectures.mamba2 import Mamba2
from mfbench.models.architectures.mlstm import MLSTM
from mfbench.models.architectures.retnet import RetNet
from mfbench.models.architectures.rwkv7 import RWKV7
from mfbench.models.mixer import Mixer
from mfbench.models.short_convolution import ShortConvolution
from tests.models.test_oracles import compare_with_gradients

B, T, C = 2, 19, 8  # more than one chunk of steps


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def heads(x: Tensor, H: int) -> Tensor:
    return x.view(B, T, H, -1)


def convolve(convolution: ShortConvolution, u: Tensor) -> Tensor:
    """By torch, which counts taps from the past to the present."""
    W = convolution.W.T.flip(1)[:, None]
    padded = F.pad(u.mT, (W.shape[-1] - 1, 0))
    return F.conv1d(padded, W, convolution.b, groups=len(W)).mT


def retnet(m: RetNet, x: Tensor) -> Tensor:
    """(Q K' * D) V, equations 5 and 8, with Theta as complex numbers."""
    H, N = m.heads, C // m.heads
    Q, K, V, G = (heads(x @ W.weight.T, H) for W in (m.W_Q, m.W_K, m.W_V, m.W_G))
    n, theta = torch.arange(T), 10000.0 ** (-torch.arange(0, N, 2) / N)
    Theta = torch.exp(1j * n[:, None] * theta)  # (T, N/2)
    y = []
    for h in range(H):
        q, k = (torch.complex(z[:, :, h, 0::2], z[:, :, h, 1::2]) for z in (Q, K))
        gamma = 1 - 2.0 ** (-5 - h)
        D = torch.where(n[:, None] >= n, gamma ** (n[:, None] - n), 0.0)
        scores = ((q * Theta) @ (k * Theta).conj().mT).real
        y.append(F.layer_norm((scores * D) @ V[:, :, h], (2 * N,), eps=1e-6) * F.silu(G[:, :, h]))
    return torch.cat(y, -1) @ m.W_O.weight.T


def gla(m: GLA, x: Tensor) -> Tensor:
    """S_t = (alpha_t' 1) * S_{t-1} + k_t' v_t, o_t = q_t S_t, section 4.4."""
    H, rows = m.heads, []
    q, k, v = (heads(x @ W.weight.T, H) for W in (m.W_Q, m.W_K, m.W_V))
    alpha = torch.sigmoid(x @ m.W_1.weight.T @ m.W_2.weight.T + m.W_2.bias) ** (1 / 16)
    r = F.silu(x @ m.W_r.weight.T + m.W_r.bias)
    S = torch.zeros(B, H, q.shape[-1], v.shape[-1])
    for t in range(T):
        S = heads(alpha, H)[:, t, :, :, None] * S + torch.einsum("bhk,bhv->bhkv", k[:, t], v[:, t])
        rows.append(torch.einsum("bhk,bhkv->bhv", q[:, t], S))
    return (r * m.head_norm(torch.stack(rows, 1)).flatten(2)) @ m.W_O.weight.T


def gated_deltanet(m: GatedDeltaNet, x: Tensor) -> Tensor:
    """S_t = S_{t-1} alpha_t (I - beta_t k_t k_t') + beta_t v_t k_t'."""
    H, K, rows = m.heads, m.K, []
    qkv = F.silu(convolve(m.convolution, x @ m.W_QKV.weight.T))
    q, k, v = (heads(z, H) for z in qkv.split((H * K, H * K, 2 * H * K), -1))
    q, k = (z / (z.square().sum(-1, keepdim=True) + 1e-6).sqrt() for z in (q, k))
    alpha = torch.exp(-m.log_A.exp() * F.softplus(x @ m.W_a.weight.T + m.b))
    beta = torch.sigmoid(x @ m.W_b.weight.T)
    S = torch.zeros(B, H, 2 * K, K)
    for t in range(T):
        kk = torch.einsum("bhi,bhj->bhij", k[:, t], k[:, t])
        forget = alpha[:, t, :, None, None] * (torch.eye(K) - beta[:, t, :, None, None] * kk)
        write = torch.einsum("bh,bhv,bhk->bhvk", beta[:, t], v[:, t], k[:, t])
        S = S @ forget + write
        rows.append(torch.einsum("bhvk,bhk->bhv", S, q[:, t]))
    gate = F.silu(x @ m.W_G.weight.T)
    return (gate * m.head_norm(torch.stack(rows, 1)).flatten(2)) @ m.W_O.weight.T


def mamba2(m: Mamba2, u: Tensor) -> Tensor:
    """(L * C B') X, the quadratic form of section 5, with L_ts = a_t ... a_{s+1}."""
    z, xBC, dt = (u @ m.W_in.weight.T).split((m.inner, m.inner + 2 * m.N, m.heads), -1)
    x, B_, C_ = F.silu(convolve(m.convolution, xBC)).split((m.inner, m.N, m.N), -1)
    dt, x = F.softplus(dt + m.b), heads(x, m.heads)
    a = torch.exp(-m.log_A.exp() * dt)
    L = torch.zeros(B, m.heads, T, T)
    for t in range(T):
        for s in range(t + 1):
            L[:, :, t, s] = a[:, s + 1 : t + 1].prod(1)
    y = torch.einsum("bhts,btn,bsn,bsh,bshp->bthp", L, C_, B_, dt, x) + m.D[:, None] * x
    return m.gated_norm(y.flatten(2) * F.silu(z)) @ m.W_out.weight.T


def rwkv7(m: RWKV7, x: Tensor) -> Tensor:
    """S_t = S_{t-1} (diag(w_t) - kappa_t' (a_t * kappa_t)) + v_t' k~_t."""
    H, rows = m.heads, []
    before = torch.cat((torch.zeros(B, 1, C), x[:, :-1]), 1)
    x_r, x_w, x_k, x_v, x_a, x_g = (x + (before - x) * m.mu[name] for name in "rwkvag")
    r, k, v = x_r @ m.W_r.weight.T, x_k @ m.W_k.weight.T, x_v @ m.W_v.weight.T
    w = torch.exp(-torch.exp(-F.softplus(-(m.w_0 + torch.tanh(x_w @ m.w_1) @ m.w_2)) - 0.5))
    a = torch.sigmoid(m.a_0 + x_a @ m.a_1 @ m.a_2)
    kappa = heads(k * m.xi, H)
    kappa = kappa / kappa.square().sum(-1, keepdim=True).sqrt()
    k = k * (1 + (a - 1) * m.alpha)
    r, k, v, w, a = (heads(z, H) for z in (r, k, v, w, a))
    S = torch.zeros(B, H, C // H, C // H)
    for t in range(T):
        remove = torch.einsum("bhi,bhj->bhij", kappa[:, t], a[:, t] * kappa[:, t])
        S = S @ (torch.diag_embed(w[:, t]) - remove) + v[:, t, :, :, None] * k[:, t, :, None]
        rows.append(torch.einsum("bhij,bhj->bhi", S, r[:, t]))
    o = F.group_norm(torch.stack(rows, 1).reshape(B * T, C), H, m.gain, m.shift, eps=1e-5 * C / H)
    bonus = torch.einsum("bthi,hi,bthi->bth", r, m.rho.view(H, -1), k)[..., None] * v
    g = torch.sigmoid(x_g @ m.g_1) @ m.g_2
    return (g * (o.view(B, T, C) + bonus.flatten(2))) @ m.W_o.weight.T


def mlstm(m: MLSTM, x: Tensor) -> Tensor:
    """C_t = f_t C_{t-1} + i_t v_t k_t' and n_t, not stabilised, equations 19 to 27."""
    H, rows = m.heads, []
    u, z = (x @ m.W_up.weight.T).chunk(2, -1)
    c = F.silu(convolve(m.convolution, u))
    W_q, W_k, W_v = (torch.block_diag(*W).T for W in (m.W_q, m.W_k, m.W_v))
    q, k, v = c @ W_q, c @ W_k, u @ W_v
    gates = torch.cat((q, k, v), -1)
    i, f = torch.exp(m.W_i(gates)), torch.sigmoid(m.W_f(gates))
    q, k, v = heads(q, H), heads(k, H) / (m.inner // H) ** 0.5, heads(v, H)
    C_, n = torch.zeros(B, H, m.inner // H, m.inner // H), torch.zeros(B, H, m.inner // H)
    for t in range(T):
        written = torch.einsum("bhv,bhk->bhvk", v[:, t], k[:, t])
        C_ = f[:, t, :, None, None] * C_ + i[:, t, :, None, None] * written
        n = f[:, t, :, None] * n + i[:, t, :, None] * k[:, t]
        most = (n * q[:, t]).sum(-1, keepdim=True).abs().clamp(min=1)
        rows.append(torch.einsum("bhvk,bhk->bhv", C_, q[:, t]) / most)
    h = F.group_norm(torch.stack(rows, 1).reshape(B * T, -1), H, m.gain).view(B, T, -1)
    return ((h + m.skip * c) * F.silu(z)) @ m.W_down.weight.T


ORACLES = {
    RetNet: retnet,
    GLA: gla,
    GatedDeltaNet: gated_deltanet,
    Mamba2: mamba2,
    RWKV7: rwkv7,
    MLSTM: mlstm,
}


def disturbed(mixer: Mixer) -> Mixer:
    """Some parameters start at zero."""
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return mixer


@pytest.mark.parametrize("architecture", ORACLES)
def test_a_matrix_valued_state_follows_the_formulas_of_its_paper(architecture) -> None:
    mixer = disturbed(architecture(C, 0, T))
    pairs = [(p, p) for p in mixer.parameters()]
    oracle = functools.partial(ORACLES[architecture], mixer)
    compare_with_gradients(mixer, oracle, torch.randn(B, T, C), pairs)


def test_an_input_gate_beyond_the_range_of_exp_does_not_overflow() -> None:
    mixer = MLSTM(C, 0, T).float()
    with torch.no_grad():
        mixer.W_i.bias.copy_(torch.tensor([-200.0, -50.0, 100.0, 200.0]))
    x = torch.randn(B, T, C, dtype=torch.float32)
    gradients = torch.autograd.grad(mixer(x).sum(), list(mixer.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)
    # exp(200) / exp(200): above 1, the size of the gate cancels.
    torch.testing.assert_close(mixer(x), mixer.recur(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RetNet(6, 0, T), "width = 6 must be a multiple of 2 heads = 4"),
        (lambda: GLA(6, 0, T), "width = 6 must be a multiple of 2 heads = 4"),
        (lambda: Mamba2(5, 0, T), r"expansion \* width = 10 is not a multiple of heads = 4"),
        (lambda: MLSTM(5, 0, T), r"expansion \* width = 10 is not a multiple of heads = 4"),
        (lambda: RWKV7(2, 0, T), "width = 2 must be a multiple of heads = 2, and at least 4"),
    ],
)
def test_impossible_sizes_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
