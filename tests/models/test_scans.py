"""Fast forms of scans, convolutions and attention against the plain ones, in float64."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import vmap

from mfbench.models.attention import causal_attention
from mfbench.models.convolution import (
    causal_convolution,
    causal_convolution_sum,
    dilated_convolution,
    dilated_convolution_sum,
    short_convolution,
)
from mfbench.models.scans import diagonal, time_varying
from mfbench.models.scans.diagonal import diagonal_loop, diagonal_scan
from mfbench.models.scans.elman import elman_loop, elman_scan
from mfbench.models.scans.gru import gru_loop, gru_scan
from mfbench.models.scans.lstm import lstm_loop, lstm_scan, lstm_scan_by_step
from mfbench.models.scans.matrix_state import matrix_state_loop, matrix_state_scan
from mfbench.models.scans.slstm import slstm_loop, slstm_scan
from mfbench.models.scans.time_varying import time_varying_loop, time_varying_scan

M, B, T, C, N = 3, 2, 11, 4, 5


@pytest.fixture(autouse=True)
def _float64():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def draw(*shape: int, kind: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=kind)


def compare(fast: Callable[..., Tensor], slow: Callable[..., Tensor], *one: Tensor) -> None:
    """Compare values and gradients, of one model and of an ensemble under vmap."""
    inputs = [tensor.requires_grad_() for tensor in one]
    check(fast(*inputs), slow(*inputs), inputs)
    many = [torch.stack([tensor * (1 + 0.1 * m) for m in range(M)]) for tensor in one]
    inputs = [tensor.detach().requires_grad_() for tensor in many]
    each = [slow(*member) for member in zip(*(x.unbind() for x in inputs), strict=True)]
    check(vmap(fast)(*inputs), torch.stack(each), inputs)
    # Weights that all members share have no axis.
    shared = [inputs[0], *(tensor[0] for tensor in inputs[1:])]
    in_dims = (0, *(None for _ in shared[1:]))
    each = [slow(x, *shared[1:]) for x in shared[0].unbind()]
    check(vmap(fast, in_dims=in_dims)(*shared), torch.stack(each), inputs)


def check(got: Tensor, want: Tensor, inputs: list[Tensor]) -> None:
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)
    weights = torch.randn_like(got)
    loss = [(y * weights).sum().abs() for y in (got, want)]
    for a, b in zip(*(torch.autograd.grad(value, inputs) for value in loss), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("length", [1, 2, T])
@pytest.mark.parametrize("linear", [False, True])
def test_elman(length: int, linear: bool) -> None:
    weights = [draw(N, C), 0.4 * draw(N, N), *([] if linear else [draw(N)])]

    def form(scan: Any) -> Callable[..., Tensor]:
        return lambda u, W, U, b=None: scan(u, W, U, b, linear=linear)

    compare(form(elman_scan), form(elman_loop), draw(B, length, C), *weights)


@pytest.mark.parametrize("length", [1, 2, T])
def test_gru(length: int) -> None:
    weights = draw(3 * N, C), draw(3 * N, N), draw(3 * N), draw(3 * N)
    compare(gru_scan, gru_loop, draw(B, length, C), *weights)


@pytest.mark.parametrize("length", [1, 2, T])
@pytest.mark.parametrize("form", [lstm_scan, lstm_scan_by_step])
def test_lstm(form: Callable[..., Tensor], length: int) -> None:
    weights = draw(4 * N, C), draw(4 * N, N), draw(4 * N), draw(4 * N)
    compare(form, lstm_loop, draw(B, length, C), *weights)


@pytest.mark.parametrize("length", [1, 2, T])
def test_slstm(length: int) -> None:
    weights = draw(4 * N, C), draw(4 * N, N), draw(4 * N)
    compare(slstm_scan, slstm_loop, draw(B, length, C), *weights)


def test_exponential_gates_do_not_overflow() -> None:
    u, W, U, b = (draw(B, T, C), draw(4 * N, C), draw(4 * N, N), draw(4 * N))
    inputs = [tensor.float().requires_grad_() for tensor in (u, 1000 * W, U, b)]
    h = slstm_scan(*inputs)
    assert all(g.isfinite().all() for g in torch.autograd.grad(h.sum(), inputs))
    # An average of z with positive weights, times o.
    assert h.isfinite().all()
    assert h.abs().max() <= 1


@pytest.mark.parametrize("length", [1, 2, 7, 8, T])
@pytest.mark.parametrize("states", [N, time_varying.WIDE["cpu"]], ids=["doubling", "step by step"])
def test_time_varying(states: int, length: int) -> None:
    a, v = draw(B, length, states), draw(B, length, states)
    compare(time_varying_scan, time_varying_loop, a, v)


@pytest.mark.parametrize("states", [N, time_varying.WIDE["cpu"]], ids=["doubling", "step by step"])
def test_small_factors_over_many_steps_underflow_at_most(states: int) -> None:
    a = torch.rand(1, 2000, states).float() ** 40
    v = torch.ones(1, 2000, states).float()
    inputs = [a.requires_grad_(), v.requires_grad_()]
    h = time_varying_scan(*inputs)
    torch.testing.assert_close(h, time_varying_loop(*inputs))
    assert all(g.isfinite().all() for g in torch.autograd.grad(h.sum(), inputs))


@pytest.mark.parametrize("kind", [torch.float64, torch.complex128])
@pytest.mark.parametrize("length", [1, 2, 7, 8, T])
@pytest.mark.parametrize("states", [N, diagonal.WIDE["cpu"]], ids=["doubling", "step by step"])
def test_diagonal(states: int, length: int, kind: torch.dtype) -> None:
    poles = 0.6 * draw(states, kind=kind)

    def form(scan: Any) -> Callable[..., Tensor]:
        return lambda v, poles: scan(poles, v)

    compare(form(diagonal_scan), form(diagonal_loop), draw(B, length, states, kind=kind), poles)


def test_poles_on_the_unit_circle_and_beyond_stay_exact() -> None:
    v = torch.ones(1, 64, 3)
    h = diagonal_scan(torch.tensor([1.0, -1.0, 2.0]), v)
    t = torch.arange(64)
    expected = torch.stack((t + 1.0, (t + 1.0) % 2, 2.0 ** (t + 1) - 1), -1)
    torch.testing.assert_close(h[0], expected, rtol=1e-14, atol=0)


def matrix_state_inputs(length: int, *, each: bool, delta: bool, decay: float = 1) -> list[Tensor]:
    """q, k, v and log w of 3 heads, and a and b of a delta rule with keys of length 1."""
    q, k, b = (draw(B, length, 3, N) for _ in range(3))
    log_w = -decay * torch.rand(B, length, 3, N if each else 1)
    b = b / b.norm(dim=-1, keepdim=True)
    a = -b * torch.rand(B, length, 3, 1)
    return [q, k, draw(B, length, 3, C), log_w, *([a, b] if delta else [])]


@pytest.mark.parametrize("length", [1, 35])
@pytest.mark.parametrize("decays", ["one", "each", "each, mild"])
@pytest.mark.parametrize("delta", [False, True], ids=["adds", "delta rule"])
def test_matrix_state(delta: bool, decays: str, length: int) -> None:
    inputs = matrix_state_inputs(length, each=decays != "one", delta=delta)
    fast = functools.partial(matrix_state_scan, mild=decays == "each, mild")
    compare(fast, matrix_state_loop, *inputs)


@pytest.mark.parametrize("decay", [1e-4, 200.0])
@pytest.mark.parametrize("each", [False, True], ids=["one", "each"])
def test_a_matrix_state_neither_overflows_nor_loses_digits(each: bool, decay: float) -> None:
    exact = matrix_state_inputs(200, each=each, delta=True, decay=decay)
    single = [tensor.float().requires_grad_() for tensor in exact]
    found, expected = matrix_state_scan(*single), matrix_state_loop(*exact)
    assert (found.double() - expected).norm() < 1e-5 * expected.norm()
    gradients = torch.autograd.grad(found.square().sum(), single)
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("length", [1, 2, 9])
def test_causal_convolution(length: int) -> None:
    compare(causal_convolution, causal_convolution_sum, draw(B, length, C), draw(C, length))


@pytest.mark.parametrize("length", [1, 3, T])
def test_short_convolution(length: int) -> None:
    def slow(u: Tensor, W: Tensor) -> Tensor:
        return causal_convolution_sum(u, torch.nn.functional.pad(W.T, (0, T))[:, :length])

    compare(short_convolution, slow, draw(B, length, C), draw(4, C))


@pytest.mark.parametrize("length", [1, 3, T])
@pytest.mark.parametrize("taps", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 5])
def test_dilated_convolution(dilation: int, taps: int, length: int) -> None:
    def form(convolution: Any) -> Callable[..., Tensor]:
        return lambda u, W: convolution(u, W, dilation)

    fast, slow = form(dilated_convolution), form(dilated_convolution_sum)
    compare(fast, slow, draw(B, length, C), draw(taps, N, C))


@pytest.mark.parametrize("window", [None, 1, 4])
@pytest.mark.parametrize("biased", ["not", "fixed", "trained"])
def test_attention(biased: str, window: int | None) -> None:
    fixed = draw(2, T, T) if biased == "fixed" else None

    def slow(Q: Tensor, K: Tensor, V: Tensor, bias: Tensor | None = fixed) -> Tensor:
        outputs = []
        for t in range(T):
            seen = slice(0 if window is None else max(0, t - window + 1), t + 1)
            scores = torch.einsum("bhd,bhsd->bhs", Q[:, :, t], K[:, :, seen]) / 2.0
            scores = scores + (0 if bias is None else bias[:, t, seen])
            outputs.append(torch.einsum("bhs,bhsd->bhd", scores.softmax(-1), V[:, :, seen]))
        return torch.stack(outputs, 2)

    def fast(Q: Tensor, K: Tensor, V: Tensor, bias: Tensor | None = fixed) -> Tensor:
        return causal_attention(Q, K, V, bias=bias, window=window)

    trained = [draw(2, T, T)] if biased == "trained" else []
    compare(fast, slow, *(draw(B, 2, T, 4) for _ in range(3)), *trained)
