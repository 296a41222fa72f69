"""Architectures with a vector as state, and convolutions, against packages and definitions."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from mambapy.mamba import MambaBlock, MambaConfig
from minGRU_pytorch import minGRU
from pytorch_tcn import TCN as ReferenceTCN
from torch import Tensor
from torch.nn import functional as F

from mfbench.models.architectures.esn import ESN
from mfbench.models.architectures.gru import GRU
from mfbench.models.architectures.hyena import Hyena
from mfbench.models.architectures.lstm import LSTM
from mfbench.models.architectures.mamba import Mamba
from mfbench.models.architectures.mingru import MinGRU
from mfbench.models.architectures.rnn import RNN
from mfbench.models.architectures.s5 import S5, hippo_n
from mfbench.models.architectures.slstm import SLSTM
from mfbench.models.architectures.tcn import TCN
from mfbench.models.scans.slstm import slstm_loop
from tests.models.test_oracles import _float64, compare_with_gradients, u  # noqa: F401

with warnings.catch_warnings():  # it uses torch.jit.script, which torch has deprecated
    warnings.simplefilter("ignore", DeprecationWarning)
    from s5.init import make_DPLR_HiPPO, make_NPLR_HiPPO
    from s5.s5_model import apply_ssm, discretize_zoh


@pytest.mark.parametrize("blocks", [1, 2])
def test_s5_matches_the_s5_package(blocks: int) -> None:
    mixer = S5(6, 0, 11, state=8, blocks=blocks, dt_min=0.1, dt_max=1.0)

    def oracle(x: Tensor) -> Tensor:  # the package carries both of a conjugate pair
        Lambda = torch.complex(mixer.Lambda_re, mixer.Lambda_im)
        B, C = torch.view_as_complex(mixer.B), torch.view_as_complex(mixer.C)
        pairs = (torch.cat((Lambda, Lambda.conj())), torch.cat((B, B.conj())))
        A_bar, B_bar = discretize_zoh(*pairs, torch.exp(mixer.log_Delta).repeat(2))
        C = torch.cat((C, C.conj()), 1)
        return torch.stack([apply_ssm(A_bar, B_bar, C, mixer.D, one)[0] for one in x])

    compare_with_gradients(mixer, oracle, u(), [(p, p) for p in mixer.parameters()])


def test_s5_starts_with_the_normal_part_of_hippo() -> None:
    A, P, _ = make_NPLR_HiPPO(8)
    Lambda, V = hippo_n(8)
    np.testing.assert_allclose(2 * ((V * Lambda) @ V.conj().T).real, A + np.outer(P, P), atol=1e-12)
    theirs = make_DPLR_HiPPO(8)[0]
    np.testing.assert_allclose(np.sort_complex(theirs[theirs.imag > 0]), np.sort_complex(Lambda))
    mixer = S5(400, 0, 11, state=16, blocks=2)
    assert mixer.Lambda_im.detach().numpy() == pytest.approx(np.tile(Lambda.imag, 2))
    for weights, variance in ((mixer.B, 1), (mixer.C, 2)):  # of B, and of both parts of C, times N
        assert 16 * weights.square().sum(-1).mean().item() == pytest.approx(variance, rel=0.1)


def test_s5_stays_stable_whatever_its_parameters() -> None:
    mixer = S5(4, 0, 11)
    with torch.no_grad():
        mixer.Lambda_re.fill_(3.0)
    assert mixer.discretise()[0].abs().max() < 1


@pytest.mark.parametrize("width", [6, 20])
def test_mamba_matches_mambapy(width: int) -> None:
    mixer = Mamba(width, 0, 11, state=3)
    oracle = MambaBlock(MambaConfig(d_model=width, n_layers=1, d_state=3, pscan=False)).double()
    for parameter in (oracle.A_log, oracle.D):
        parameter.float = parameter.double  # it would round them to float32
    pairs = [
        (mixer.W_in.weight, oracle.in_proj.weight),
        (mixer.taps_bias, oracle.conv1d.bias),
        (mixer.W_x.weight, oracle.x_proj.weight),
        (mixer.W_Delta.weight, oracle.dt_proj.weight),
        (mixer.W_Delta.bias, oracle.dt_proj.bias),
        (mixer.log_A, oracle.A_log),
        (mixer.D, oracle.D),
        (mixer.W_out.weight, oracle.out_proj.weight),
    ]
    torch.nn.init.normal_(mixer.D)
    with torch.no_grad():
        for ours, theirs in pairs:
            theirs.copy_(ours)
        oracle.conv1d.weight.copy_(mixer.taps.T.flip(-1)[:, None])
    compare_with_gradients(mixer, oracle, u(width=width), pairs)


def test_mamba_starts_as_published() -> None:
    mixer = Mamba(64, 0, 11)
    torch.testing.assert_close(torch.exp(mixer.log_A[5]), torch.arange(1.0, 17.0))
    dt = F.softplus(mixer.W_Delta.bias)
    assert 0.001 <= dt.min() < 0.002 < 0.05 < dt.max() <= 0.1


@pytest.mark.parametrize("expansion", [1, 2])
def test_mingru_matches_the_mingru_package(expansion: int) -> None:
    mixer = MinGRU(6, 0, 11, expansion=expansion)
    oracle = minGRU(6, expansion_factor=float(expansion))
    with torch.no_grad():
        both = torch.cat((mixer.W_h.weight, mixer.W_z.weight))
        oracle.to_hidden_and_gate.weight.copy_(both)
        if expansion > 1:
            oracle.to_out.weight.copy_(mixer.W_out.weight)
    compare_with_gradients(mixer, oracle, u(), [])
    got = torch.autograd.grad(mixer(x := u()).sum(), [mixer.W_h.weight, mixer.W_z.weight])
    (want,) = torch.autograd.grad(oracle(x).sum(), oracle.to_hidden_and_gate.weight)
    torch.testing.assert_close(torch.cat(got), want)


def test_slstm_heads_do_not_see_each_other() -> None:
    mixer = SLSTM(6, 0, 11, heads=2)
    torch.nn.init.normal_(mixer.R)

    def heads(x: Tensor) -> Tensor:
        def half(k: int) -> Tensor:
            W, b = (p.view(4, 2, 3, -1)[:, k].flatten(0, 1) for p in (mixer.W, mixer.b))
            return slstm_loop(x, W, mixer.R[:, k].flatten(0, 1), b[:, 0])

        return torch.cat((half(0), half(1)), -1)

    compare_with_gradients(mixer, heads, u(), [(p, p) for p in mixer.parameters()])


@pytest.mark.parametrize("order", [1, 2, 3])
def test_hyena_is_the_product_of_gates_and_toeplitz_matrices(order: int) -> None:
    mixer, T, C = Hyena(4, 0, 11, order=order, filter_width=5), 13, 4

    def filters() -> Tensor:
        net, t = mixer.filters, torch.arange(T) / 10
        waves = torch.exp(-2j * math.pi * torch.arange(T)[:, None] / 11 * torch.tensor([1e-4, 1.0]))
        z = torch.cat((t[:, None], waves.real, waves.imag), -1)
        for layer in (net.first, net.second, net.third):
            z = torch.sin(net.frequency * (z @ layer.weight.T + layer.bias))
        rate = torch.linspace(-math.log(0.01) / 1.5, -math.log(0.01) / 0.3, order * C)
        h = z @ net.last.weight.T * torch.exp(-t[:, None] * rate)
        h = h.T + F.pad(net.D[:, None], (0, T - 1))
        return torch.stack([h[n::order] for n in range(order)])  # 'c l (v o) -> c o v l' in safari

    def oracle(x: Tensor) -> Tensor:
        taps, bias = mixer.taps.T.flip(-1)[:, None], mixer.taps_bias
        inner = F.conv1d(F.pad(mixer.W(x).mT, (2, 0)), taps, bias, groups=len(taps))
        z, *gates = inner.chunk(order + 1, 1)  # (B, C, T)
        lags = torch.arange(T)[:, None] - torch.arange(T)
        for gate, h in zip(gates, filters(), strict=True):
            toeplitz = torch.where(lags >= 0, h[:, lags.clamp(min=0)], 0.0)  # (C, T, T)
            z = gate * torch.einsum("cts,bcs->bct", toeplitz, z)
        return mixer.W_out(z.mT)

    compare_with_gradients(
        mixer, oracle, u(length=T, width=4), [(p, p) for p in mixer.parameters()]
    )


def test_the_readout_of_an_echo_state_network_is_trained_to_ridge_regression() -> None:
    model, x = ESN(6, 1, input_scale=1.0), torch.randn(4, 50, 1)
    assert [name for name, _ in model.named_parameters()] == ["W_out.weight", "W_out.bias"]
    h, states = torch.zeros(4, 6), []
    for x_t in x.unbind(1):
        h = torch.tanh(x_t @ model.W_in.T + h @ model.W.T)
        states.append(torch.cat((h, x_t, torch.ones(4, 1)), -1))
    S, y, ridge = torch.stack(states, 1).flatten(0, 1), x.roll(3, 1).flatten(), 0.1
    solution = torch.linalg.solve(S.T @ S + ridge * torch.eye(8), S.T @ y)
    with torch.no_grad():
        model.W_out.weight.copy_(solution[None, :-1])
        model.W_out.bias.copy_(solution[-1:])
    torch.testing.assert_close(model(x).flatten(), S @ solution)
    loss = (model(x).flatten() - y).square().sum()
    loss = loss + ridge * sum(p.square().sum() for p in model.parameters())
    for gradient in torch.autograd.grad(loss, list(model.parameters())):
        assert gradient.abs().max() < 1e-10


@pytest.mark.parametrize("radius", [0.5, 0.95])
def test_a_reservoir_has_the_spectral_radius_and_forgets_its_past(radius: float) -> None:
    model = ESN(20, 1, spectral_radius=radius)
    assert torch.linalg.eigvals(model.W).abs().max().item() == pytest.approx(radius)
    x, far = torch.zeros(1, 400, 1), torch.zeros(1, 400, 1)
    far[:, 0] = 5.0
    assert (model(x) - model(far))[:, -1].abs().max() < 1e-6


@pytest.mark.parametrize("kernel_size", [2, 3])
def test_tcn_matches_pytorch_tcn(kernel_size: int) -> None:
    blocks = [TCN(6, layer, 11, kernel_size=kernel_size) for layer in range(2)]
    oracle = ReferenceTCN(
        6, [6, 6], kernel_size, dilations=[1, 2], dropout=0.0, use_norm="weight_norm",
        activation="relu", input_shape="NLC",
    )  # fmt: skip
    pairs = []
    for block, theirs in zip(blocks, oracle.network, strict=True):
        for ours, conv in ((block.first, theirs.conv1), (block.second, theirs.conv2)):
            torch.nn.init.uniform_(ours.g, 0.5, 2.0)
            weight = conv.parametrizations.weight
            with torch.no_grad():
                weight.original0.copy_(ours.g[:, None, None])
                weight.original1.copy_(ours.V.permute(1, 2, 0).flip(-1))
                conv.bias.copy_(ours.b)
            pairs.append((ours.b, conv.bias))
    own, x, first = torch.nn.Sequential(*blocks), u(), oracle.network[0].conv1
    compare_with_gradients(own, oracle, x, pairs)
    got = torch.autograd.grad(own(x).sum(), [blocks[0].first.V, blocks[0].first.g])
    weight = first.parametrizations.weight
    want = torch.autograd.grad(oracle(x).sum(), [weight.original1, weight.original0])
    torch.testing.assert_close(got[0], want[0].flip(-1).permute(2, 0, 1))
    torch.testing.assert_close(got[1], want[1].flatten())


def test_weight_normalisation_starts_without_an_effect() -> None:
    conv = TCN(6, 0, 11).first
    torch.testing.assert_close(conv.g**2, conv.V.square().sum((0, 2)))


def test_recurrent_weights_start_orthogonal_or_as_the_identity() -> None:
    U = RNN(6, 0, 11, recurrent="orthogonal").U
    torch.testing.assert_close(U @ U.T, torch.eye(6))
    assert not torch.equal(U, torch.eye(6))
    assert torch.equal(RNN(6, 0, 11, recurrent="identity").U, torch.eye(6))


def test_chrono_initialisation_spreads_time_scales() -> None:
    lstm, gru = LSTM(500, 0, 11, chrono=40), GRU(500, 0, 11, chrono=40)
    i, f, *_ = (lstm.b + lstm.c).chunk(4)
    torch.testing.assert_close(i, -f)
    for gate in (f, (gru.b + gru.c).chunk(3)[1]):
        scale = 1 / torch.sigmoid(-gate)  # 1 + s, s uniform from 1 to 39
        assert 2 <= scale.min() < 2.5 < 39 < scale.max() <= 40
        assert scale.mean().item() == pytest.approx(21, abs=2)
