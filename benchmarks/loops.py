"""The trainer with one member against the leanest loop, and own scans against torch's modules."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.table import Options, Row, architectures, in_turns, over, repeated
from benchmarks.trainers import advance, make_trainer, settings_of, training_data
from mfbench.models.architectures.gru import GRU
from mfbench.models.architectures.lstm import LSTM
from mfbench.models.architectures.rnn import RNN
from mfbench.models.convolution import dilated_convolution
from mfbench.models.scans import diagonal
from mfbench.training.streams import BatchOrder
from mfbench.training.trainer import initial_model

SIZES = ((128, 16, 16), (128, 32, 64), (256, 32, 64))  # T, width, batch
Repeat = Callable[[int], object]


def rows(options: Options) -> Iterator[Row]:
    """Steps, then scans, each at all sizes."""
    sizes = SIZES[:1] if options.quick else SIZES
    for T, width, batch in sizes:
        for name, architecture in architectures().items():
            pair = steps(architecture, T=T, width=width, batch=batch)
            what = f"{name}, T {T}, width {width}, batch {batch}: step, trainer / leanest loop"
            yield compared(what, pair, options)
    for T, width, batch in sizes:
        for name, pair in scans(T, width, batch).items():
            yield compared(f"{name}, T {T}, width {width}, batch {batch}", pair, options)
    for states in (512, 1024, 2048):
        for kind in (torch.float32, torch.complex64):
            real = "real" if kind == torch.float32 else "complex"
            what = f"diagonal scan of {states} {real} states, T 128: by step / by doubling"
            yield compared(what, diagonal_forms(states, kind), options)


def compared(what: str, pair: Sequence[Repeat], options: Options) -> Row:
    """CPU time of the first over that of the second."""
    calls = {i: repeated(call, options.seconds) for i, call in enumerate(pair)}
    times = in_turns(calls, options.rounds)
    return Row("loops", what, over(times[0], times[1]))


def steps(architecture: dict[str, Any], *, T: int, width: int, batch: int) -> tuple[Repeat, Repeat]:
    """The trainer's steps of one member, and those of the leanest loop of the same module."""
    data = training_data(length=T)
    settings = settings_of(batch)
    trainer = make_trainer(architecture, data, members=1, width=width, settings=settings)

    model = initial_model(architecture, width=width, length=T, seed=0)
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=1e-3, weight_decay=0.0, fused=True)
    order = BatchOrder(seed=0, sequences=len(data.x), batch_size=batch)
    every = itertools.cycle(torch.from_numpy(order.rows(0, 512)))

    def leanest(count: int) -> None:
        for rows in itertools.islice(every, count):
            outputs = model(data.x[rows])[..., 0]
            loss = (outputs - data.y[rows])[:, data.scored_from :].square().mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
            optimiser.step()

    return lambda count: advance(trainer, count), leanest


def scans(T: int, width: int, batch: int) -> dict[str, tuple[Repeat, Repeat]]:
    """Forwards and backwards: own forms and torch's modules."""
    u = torch.randn(batch, T, width, requires_grad=True)
    pairs = {}
    for own, module in ((RNN, nn.RNN), (GRU, nn.GRU), (LSTM, nn.LSTM)):
        mixer, theirs = own(width, 0, T), module(width, width, batch_first=True)
        pairs[f"own scan / torch.nn.{module.__name__}"] = (
            differentiated(mixer, u, list(mixer.parameters())),
            differentiated(outputs_of(theirs), u, list(theirs.parameters())),
        )
    W, d = nn.Parameter(torch.randn(3, width, width)), 4
    convolution = nn.Conv1d(width, width, 3, dilation=d, bias=False)
    pairs["dilated convolution / torch.nn.Conv1d"] = (
        differentiated(lambda v: dilated_convolution(v, W, d), u, [W]),
        differentiated(lambda v: convolution(F.pad(v.mT, (2 * d, 0))).mT, u, [convolution.weight]),
    )
    return pairs


def outputs_of(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """A recurrent module of torch without its last state."""
    return lambda u: module(u)[0]


def diagonal_forms(states: int, kind: torch.dtype) -> tuple[Repeat, Repeat]:
    """Both forms of the diagonal scan: what `WIDE` in scans/diagonal.py chooses between."""
    lambda_ = torch.full((states // 16,), 0.9, dtype=kind, requires_grad=True)
    v = torch.randn(16, 128, states // 16, dtype=kind, requires_grad=True)

    def form(wide: int) -> Repeat:
        once = differentiated(lambda v: diagonal.diagonal_scan(lambda_, v).abs(), v, [lambda_])

        def repeat(count: int) -> None:
            chosen, diagonal.WIDE["cpu"] = diagonal.WIDE["cpu"], wide
            try:
                once(count)
            finally:
                diagonal.WIDE["cpu"] = chosen

        return repeat

    return form(0), form(2**62)


def differentiated(
    forward: Callable[[Tensor], Tensor], u: Tensor, parameters: list[nn.Parameter] | list[Tensor]
) -> Repeat:
    """Runs forwards and backwards as often as told."""

    def repeat(count: int) -> None:
        for _ in range(count):
            torch.autograd.grad(forward(u).square().mean(), [u, *parameters])

    return repeat
