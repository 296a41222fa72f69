"""What a GPU needs to replay a step, as far as a CPU can check."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mfbench.models.ensemble import Ensemble
from mfbench.models.registry import registered
from mfbench.training import capture
from mfbench.training.capture import WARM_UP, replayed, stream_of
from mfbench.training.trainer import Trainer
from tests.conftest import architecture_settings
from tests.training.conftest import make_members, make_settings

GPU = torch.device("cuda", 0)
# Operations that wait for the device or whose work depends on values: they cannot be recorded.
WAITING = {
    "_local_scalar_dense",
    "is_nonzero",
    "equal",
    "nonzero",
    "masked_select",
    "unique",
    "bincount",
    "repeat_interleave",
}


class Watch(TorchDispatchMode):
    """Fails if an operation waits for the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func.overloadpacket.__name__
        assert name not in WAITING, f"{name} waits for the device"
        for argument in args:  # indexing with a mask counts its ones
            if name.startswith("index") and isinstance(argument, list | tuple):
                assert all(i is None or i.dtype != torch.bool for i in argument)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", registered())
def test_a_step_never_waits_and_works_at_fixed_addresses(name: str) -> None:
    grid = [(0.01, seed) for seed in range(3)]
    settings = make_settings(optimiser={"weight_decay": 0.1}, loss={"time_power": 1.0})
    trainer = Trainer(
        architecture_settings(name), make_members(grid=grid), width=4, settings=settings
    )

    def places() -> dict[str, int]:
        kept = {**vars(trainer), **vars(trainer.optimiser), **vars(trainer.ensemble)}
        kept |= {f"leaf {n}": t for n, t in trainer.ensemble._leaves.items()}
        return {n: t.data_ptr() for n, t in kept.items() if isinstance(t, torch.Tensor)}

    trainer.prepare()
    before, generator = places(), torch.get_rng_state()
    for _ in range(2):
        with Watch():
            trainer.optimise()
        trainer.step += 1
    trainer.prepare()
    assert places() == before
    assert torch.equal(torch.get_rng_state(), generator)


@pytest.mark.parametrize("name", registered())
def test_a_step_uses_no_tensor_on_the_cpu(name: str) -> None:
    """On the device `meta`, operations fail if one of their tensors is on another device."""
    (member,) = make_members(grid=[(0.01, 0)])
    there = {k: v.to("meta") for k, v in vars(member.data).items() if hasattr(v, "to")}
    member.data = dataclasses.replace(member.data, **there)
    settings = make_settings(optimiser={"weight_decay": 0.1}, loss={"time_power": 1.0})
    trainer = Trainer(architecture_settings(name), [member], width=4, settings=settings)
    trainer.prepare()
    trainer.optimise()
    models = [trainer.ensemble.model] * 3
    ensemble = Ensemble(models)
    for length in (16, 32):  # the training length and a longer one
        y = ensemble(torch.zeros(3, 2, length, 1, device="meta"))
        assert ensemble.gradient(y.square().mean((1, 2, 3))).device.type == "meta"


def test_watch_detects_operations_that_wait() -> None:
    x = torch.randn(3)
    for wait in (x[0].item, lambda: x[x > 0], lambda: bool(x[0] > 0), x.nonzero):
        with pytest.raises(AssertionError), Watch():
            wait()


class FakeGraph:
    """Stands for a CUDA graph and counts its replays."""

    recording: FakeGraph | None = None

    def __init__(self) -> None:
        self.replays = 0

    def replay(self) -> None:
        self.replays += 1


@contextmanager
def recording(graph: FakeGraph, stream: object) -> Iterator[None]:
    FakeGraph.recording = graph
    try:
        yield
    finally:
        FakeGraph.recording = None


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake torch.cuda's graphs without a GPU."""
    fake = SimpleNamespace(
        CUDAGraph=FakeGraph,
        graph=recording,
        current_stream=lambda device: "a stream",
        get_rng_state=lambda device: torch.zeros(1),
    )
    monkeypatch.setattr(capture.torch, "cuda", fake)


def run(step: Any, times: int) -> list[str]:
    """Call a step several times and return what each call did."""
    happened: list[str] = []

    def noted() -> None:
        happened.append("recorded" if FakeGraph.recording else "run")
        step()

    call = replayed(noted, GPU)
    done = []
    for _ in range(times):
        happened.clear()
        call()
        done.append("+".join(happened) or "replayed")
    return done


def refused() -> None:
    if FakeGraph.recording:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nmore")


@pytest.mark.parametrize(
    ("step", "expected", "said"),
    [
        (lambda: None, ["run"] * (WARM_UP - 1) + ["run+recorded"] + ["replayed"] * 3, ""),
        (
            refused,
            ["run"] * (WARM_UP - 1) + ["run+recorded"] + ["run"] * 3,
            "no CUDA graph, each step runs normally: CUDA error: operation not permitted when "
            "stream is capturing",
        ),
        (lambda: torch.rand(1), ["run"] * (WARM_UP + 3), "draws random numbers"),
    ],
    ids=["can be recorded", "cannot", "draws random numbers"],
)
def test_a_gpu_records_a_step_once_and_replays_it(
    gpu: None, caplog: pytest.LogCaptureFixture, step: Any, expected: list[str], said: str
) -> None:
    assert run(step, WARM_UP + 3) == expected
    found = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(found) == (said != "")
    assert all(said in message and "more" not in message for message in found)


def test_running_out_of_memory_while_recording_raises(gpu: None) -> None:
    def step() -> None:
        if FakeGraph.recording:
            raise torch.OutOfMemoryError("no more")

    with pytest.raises(torch.OutOfMemoryError):
        run(step, WARM_UP)


def test_a_cpu_runs_the_step_itself() -> None:
    def step() -> None:
        pass

    assert replayed(step, torch.device("cpu")) is step
    with stream_of(torch.device("cpu")):
        pass


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", registered())
def test_replayed_steps_give_the_losses_of_a_cpu(name: str) -> None:
    def losses(device: torch.device) -> torch.Tensor:
        members = make_members()
        for member in members:
            arrays = {k: v.to(device) for k, v in vars(member.data).items() if hasattr(v, "to")}
            member.data = dataclasses.replace(member.data, **arrays)
        settings = make_settings(memory_probes=0)
        trainer = Trainer(architecture_settings(name), members, width=4, settings=settings)
        trainer.train()
        return trainer.losses.cpu()

    torch.testing.assert_close(losses(GPU), losses(torch.device("cpu")), rtol=1e-3, atol=1e-5)
