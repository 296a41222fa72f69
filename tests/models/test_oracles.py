"""Architectures against torch.nn and independent packages, values and gradients in float64."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from LRU_pytorch import LRU as ReferenceLRU
from pytorch_tcn.conv import TemporalConv1d
from rotary_embedding_torch import RotaryEmbedding
from scipy.signal import cont2discrete

from mfbench.models.architectures.dilated_convolution import DilatedConvolution
from mfbench.models.architectures.gru import GRU
from mfbench.models.architectures.lru import LRU
from mfbench.models.architectures.lstm import LSTM
from mfbench.models.architectures.rnn import RNN
from mfbench.models.architectures.s4d import S4D, initial_poles
from mfbench.models.architectures.s5 import S5
from mfbench.models.architectures.slstm import SLSTM
from mfbench.models.architectures.stable_ssm import StableSSM
from mfbench.models.architectures.transformer import Transformer
from mfbench.models.build import build_model
from mfbench.models.positions import BUCKETS, alibi, rotate, rotations, sinusoidal, t5

with warnings.catch_warnings():  # it uses torch.jit.script, which torch has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from x_transformers.x_transformers import (
        AlibiPositionalBias,
        RelativePositionBias,
        ScaledSinusoidalEmbedding,
    )


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def u(batch: int = 2, length: int = 11, width: int = 6) -> torch.Tensor:
    return torch.randn(batch, length, width)


def compare_with_gradients(own, reference, x: torch.Tensor, pairs) -> None:
    """Values, and gradients with respect to the input and to pairs of parameters."""
    x = x.requires_grad_()
    y, expected = own(x), reference(x)
    torch.testing.assert_close(y, expected, rtol=1e-9, atol=1e-11)
    weights = torch.randn_like(y)
    got = torch.autograd.grad((y * weights).sum(), [x, *(a for a, _ in pairs)])
    want = torch.autograd.grad((expected * weights).sum(), [x, *(b for _, b in pairs)])
    for a, b in zip(got, want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("own", "reference"), [(RNN, torch.nn.RNN), (GRU, torch.nn.GRU), (LSTM, torch.nn.LSTM)]
)
def test_recurrent_networks_match_torch(own, reference) -> None:
    torch.manual_seed(3)
    mixer = own(6, 0, 11)
    torch.manual_seed(3)
    oracle = reference(6, 6, batch_first=True)
    parameters = (mixer.W, mixer.U, mixer.b, mixer.c)
    for ours, theirs in zip(parameters, oracle.parameters(), strict=True):
        if own is not LSTM or ours.ndim == 2:  # its forget gate starts open
            # The same initialisation.
            torch.testing.assert_close(ours.data, theirs.data, rtol=1e-12, atol=0)
        theirs.data.copy_(ours.data)
    pairs = list(zip(parameters, oracle.parameters(), strict=True))
    compare_with_gradients(mixer, lambda x: oracle(x)[0], u(), pairs)
    compare_with_gradients(mixer.recur, lambda x: oracle(x)[0], u(), pairs)


def test_the_linear_recurrent_network_equals_a_sum_over_powers_of_its_matrix() -> None:
    mixer, x = RNN(4, 0, 9, nonlinearity="identity"), u(length=9, width=4)

    def powers(x: torch.Tensor) -> torch.Tensor:
        W, U = mixer.W, mixer.U
        steps = [
            sum((x[:, t - s] @ W.T) @ torch.linalg.matrix_power(U, s).T for s in range(t + 1))
            for t in range(x.shape[1])
        ]
        return torch.stack(steps, 1)

    pairs = [(p, p) for p in mixer.parameters()]
    compare_with_gradients(mixer, powers, x, pairs)


def test_the_forget_gate_starts_open() -> None:
    mixer = LSTM(6, 0, 11, forget_bias=1.5)
    total = mixer.b + mixer.c
    torch.testing.assert_close(total[6:12], torch.full((6,), 1.5))


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_a_layer_is_a_causal_dilated_convolution(layer: int, kernel_size: int) -> None:
    mixer = DilatedConvolution(6, layer, 11, kernel_size=kernel_size)
    oracle = TemporalConv1d(6, 6, kernel_size, dilation=2**layer, bias=False)
    with torch.no_grad():  # torch counts taps from the past to the present
        oracle.weight.copy_(mixer.W.permute(1, 2, 0).flip(-1))
    compare_with_gradients(mixer, lambda x: oracle(x.mT).mT, u(), [])


def test_lru_matches_the_lru_package() -> None:
    mixer, oracle = LRU(6, 0, 11, state=5), ReferenceLRU(6, 6, 5)
    with torch.no_grad():
        for name in ("nu_log", "theta_log", "gamma_log"):
            getattr(oracle, name).copy_(getattr(mixer, name))
        oracle.B.copy_(torch.view_as_complex(mixer.B))
        oracle.C.copy_(torch.view_as_complex(mixer.C))
        oracle.D.copy_(torch.diag(mixer.D))
    pairs = [(getattr(mixer, n), getattr(oracle, n)) for n in ("nu_log", "theta_log", "gamma_log")]
    oracle.state = oracle.state.to(torch.complex128)
    compare_with_gradients(mixer, oracle, u(), pairs)


def test_lru_starts_uniformly_on_the_ring_with_normalised_gain() -> None:
    mixer = LRU(4, 0, 11, state=40_000, r_min=0.9, r_max=0.999)
    radius = mixer.lambda_().abs()
    assert 0.9 <= radius.min() < radius.max() <= 0.999
    # Uniform in area: radius^2 is uniform between the squares of the ends.
    share = (radius**2 - 0.9**2) / (0.999**2 - 0.9**2)
    assert share.mean().item() == pytest.approx(0.5, abs=0.01)
    gain = torch.exp(mixer.gamma_log)
    torch.testing.assert_close(gain**2, 1 - radius**2, rtol=1e-8, atol=1e-12)
    # Published: the gain of the ring (0.9, 0.999) without gamma is 24.2.
    assert (1 / (1 - radius**2)).mean().item() == pytest.approx(24.2, rel=0.05)


def test_s4d_equals_the_zero_order_hold_of_its_continuous_system() -> None:
    mixer, length = S4D(3, 0, 20, state=4, init="legs"), 20
    kernel = mixer.kernel(length).detach().numpy()
    A = torch.complex(-torch.exp(mixer.log_A_real), mixer.A_imag).detach().numpy()
    C = torch.view_as_complex(mixer.C).detach().numpy()
    dt = torch.exp(mixer.log_dt).detach().numpy()
    for c in range(3):
        # The conjugate pairs written out, by scipy's discretisation.
        system = (
            np.diag(np.concatenate([A[c], A[c].conj()])),
            np.ones((4, 1)),
            np.concatenate([C[c], C[c].conj()])[None],
            np.zeros((1, 1)),
        )
        Ad, Bd, Cd, _, _ = cont2discrete(system, dt[c], method="zoh")
        expected = [(Cd @ np.linalg.matrix_power(Ad, t) @ Bd).item().real for t in range(length)]
        expected[0] += mixer.D[c].item()
        np.testing.assert_allclose(kernel[c], expected, rtol=1e-8, atol=1e-10)


def test_s4d_initialisations_match_the_published_ones() -> None:
    n = np.arange(4)
    np.testing.assert_allclose(initial_poles("lin", 8), -0.5 + 1j * np.pi * n)
    np.testing.assert_allclose(
        initial_poles("inv", 8), -0.5 + 1j * 8 / np.pi * (8 / (2 * n + 1) - 1)
    )
    np.testing.assert_allclose(initial_poles("real", 8), -(n + 1.0))
    # HiPPO-LegS: A = normal - p p', eigenvalues of the normal part with positive imaginary part.
    k = np.arange(8)
    hippo = -np.where(
        k[:, None] > k, np.sqrt(2 * k[:, None] + 1) * np.sqrt(2 * k + 1), np.diag(k + 1.0)
    )
    p = np.sqrt(k + 0.5)
    eigenvalues = np.linalg.eigvals(hippo + np.outer(p, p))
    positive = np.sort_complex(eigenvalues[eigenvalues.imag > 0])
    got = initial_poles("legs", 8)
    np.testing.assert_allclose(np.sort(got.imag), np.sort(positive.imag), rtol=1e-9)
    np.testing.assert_allclose(positive.real, got.real, rtol=1e-9)


def test_rope_matches_the_rotary_embedding_package() -> None:
    q = torch.randn(2, 3, 11, 8)
    oracle = RotaryEmbedding(dim=8)
    torch.testing.assert_close(
        rotate(q, rotations(11, 8, q)), oracle.rotate_queries_or_keys(q), rtol=1e-6, atol=1e-6
    )


def test_rope_scores_depend_on_the_distance_alone() -> None:
    q, k = torch.randn(8), torch.randn(8)
    R = rotations(20, 8, q)
    Q, K = rotate(q.expand(20, 8), R), rotate(k.expand(20, 8), R)
    scores = Q @ K.T
    for distance in range(5):
        along = torch.diagonal(scores, -distance)
        torch.testing.assert_close(along, along[:1].expand_as(along))


@pytest.mark.parametrize("heads", [1, 2, 3, 4, 6])
def test_alibi_matches_x_transformers(heads: int) -> None:
    oracle = AlibiPositionalBias(heads=heads)(11, 11)
    past = torch.ones(11, 11).tril().bool()
    got = alibi(heads, torch.empty(1, 11, 4))
    torch.testing.assert_close(got[:, past], oracle[:, past].double(), rtol=1e-6, atol=1e-6)


def test_t5_matches_x_transformers() -> None:
    oracle, table = RelativePositionBias(1.0, causal=True, heads=3), torch.randn(BUCKETS, 3)
    oracle.relative_attention_bias.weight.data.copy_(table)
    past = torch.ones(200, 200).tril().bool()
    torch.testing.assert_close(t5(table, 200)[:, past], oracle(200, 200)[:, past])


def test_sinusoidal_matches_x_transformers() -> None:
    x = torch.zeros(1, 11, 6)
    oracle = ScaledSinusoidalEmbedding(6)
    expected = oracle(x) / oracle.scale
    torch.testing.assert_close(sinusoidal(x), expected.squeeze(0).double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("positions", ["none", "sinusoidal", "learned", "rope", "alibi", "t5"])
def test_attention_is_softmax_over_the_past(positions: str, window: int | None) -> None:
    heads = 3 if positions != "rope" else 1
    mixer = Transformer(6, 0, 11, heads=heads, positions=positions, window=window)
    x = u()
    H, D = mixer.heads, 6 // mixer.heads
    Q, K, V = mixer.W_QKV(x).view(2, 11, 3, H, D).permute(2, 0, 3, 1, 4)
    if positions == "rope":
        Q, K = (rotate(tensor, rotations(11, D, x)) for tensor in (Q, K))
    expected = torch.zeros(2, 11, 6)
    for b in range(2):
        for h in range(H):
            for t in range(11):
                seen = range(0 if window is None else max(0, t + 1 - window), t + 1)
                scores = torch.stack([Q[b, h, t] @ K[b, h, s] / D**0.5 for s in seen])
                if positions in ("alibi", "t5"):
                    bias = alibi(H, Q) if positions == "alibi" else t5(mixer.table, 11)
                    scores = scores + bias[h, t, list(seen)]
                expected[b, t, h * D : (h + 1) * D] = scores.softmax(0) @ V[b, h, list(seen)]
    torch.testing.assert_close(mixer.attention(x), mixer.W_O(expected), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("norm", ["none", "layer", "rms"])
def test_a_transformer_is_normalised_once_more_after_its_last_layer(norm: str) -> None:
    settings = {"model": "transformer", "norm": norm}
    model, x = build_model(settings, width=4, length=11), u(width=1)
    states = model.encoder(x)
    for mixer in model.mixers():
        states = mixer(states)
    if norm == "layer":
        states = torch.nn.functional.layer_norm(states, (4,))
    if norm == "rms":
        states = torch.nn.functional.rms_norm(states, (4,))
    torch.testing.assert_close(model(x), model.decoder(states))


def test_without_positions_attention_ignores_the_order() -> None:
    mixer, x = Transformer(6, 0, 11, positions="none"), u(1)
    shuffled = x.clone()
    shuffled[:, :10] = x[:, torch.randperm(10)]
    torch.testing.assert_close(mixer(x)[:, -1], mixer(shuffled)[:, -1])
    for positions in ("sinusoidal", "learned", "rope", "alibi", "t5"):
        ordered = Transformer(6, 0, 11, heads=1, positions=positions)
        if positions == "rope":
            torch.nn.init.normal_(ordered.W_QKV.weight)
        assert (ordered(x)[:, -1] - ordered(shuffled)[:, -1]).abs().max() > 1e-6


def test_learned_positions_do_not_reach_beyond_their_table() -> None:
    with pytest.raises(ValueError, match="learned positions end after 11 steps; the input has 12"):
        Transformer(6, 0, 11, positions="learned")(u(length=12))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Transformer(6, 0, 11, heads=4), "width = 6 is not a multiple of heads = 4"),
        (lambda: Transformer(6, 0, 11, heads=2), "rope needs an even width per head"),
        (lambda: S4D(6, 0, 11, state=3), "state = 3 must be an even number"),
        (lambda: S5(6, 0, 11, state=6, blocks=2), "state = 6 is not a multiple of 2 x blocks"),
        (lambda: SLSTM(6, 0, 11), "width = 6 is not a multiple of heads = 4"),
        (lambda: S4D(6, 0, 11, dt_min=1.0), "0 < dt_min <= dt_max"),
        (lambda: LRU(6, 0, 11, r_max=1.0), "0 <= r_min < r_max < 1"),
        (lambda: StableSSM(6, 0, 11, timescale_min=200.0), "timescale_min <= timescale_max"),
    ],
)
def test_impossible_options_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
