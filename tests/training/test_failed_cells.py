"""Cells fail if an architecture's own code breaks; faults of the machine fail the job."""

from __future__ import annotations

import logging
import re
import resource
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mfbench.models.own_code import ArchitectureError, of_the_machine
from mfbench.models.promises import STORED
from mfbench.training.data import TrainingData
from mfbench.training.record import weight_name
from mfbench.training.status import STATUS
from tests.conftest import write_architecture
from tests.training.cells import train, train_several, write
from tests.training.conftest import assert_same, make_data


def test_a_message_before_training_names_a_broken_architecture(
    data: TrainingData, tmp_path: Path
) -> None:
    reference = write_architecture(tmp_path, "return u.flip(1)")
    expected = r"own\.py:Own, width 4: the model is not causal: y_t depends on"
    with pytest.raises(ArchitectureError, match=expected):
        train(data, tmp_path / "c", reference)


@pytest.mark.parametrize(
    ("init", "text"),
    [
        ("raise TypeError('no')", r"TypeError: no \(own\.py:\d+\)$"),
        ("raise ValueError('heads')", r"heads \(own\.py:\d+\)$"),
        ("torch.ones(2).view(3)", r"RuntimeError: shape .* \(own\.py:\d+\)$"),
        ("self.z = torch.nn.Parameter(torch.zeros(1, dtype=torch.cfloat))", r"complex [^()]*$"),
    ],
)
def test_a_message_names_an_architecture_that_cannot_be_built(
    init: str, text: str, data: TrainingData, tmp_path: Path
) -> None:
    reference = write_architecture(tmp_path, "return u", init=init)
    with pytest.raises(ArchitectureError, match=rf"own\.py:Own, width 4: {text}"):
        train(data, tmp_path / "c", reference)


def test_a_message_names_the_failing_import(data: TrainingData, tmp_path: Path) -> None:
    reference = write_architecture(tmp_path, "return u")
    file = tmp_path / "own.py"
    file.write_text("import nowhere_to_be_found\n" + file.read_text())
    with pytest.raises(ArchitectureError, match=r"ModuleNotFoundError: .* \(own\.py:1\)$"):
        train(data, tmp_path / "c", reference)


def test_a_model_that_cannot_be_built_fails_all_cells(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reference = write_architecture(tmp_path, "raise KeyError('mine')")
    tasks = {4.0: data, 8.0: data}
    pack = train_several(tasks, tmp_path / "c", reference, broken="record")
    assert "FAILED, and recorded as such: architecture" in caplog.text
    assert "Traceback" in caplog.text
    write(tmp_path, pack)
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert (file["status"][:] == STATUS.index("failed")).all()
        message = f"architecture {reference}, width 4: KeyError: 'mine' (own.py:8)"
        assert file["message"][:].tolist() == [message, message]
        for name in ("validation_error", "train_error", "best_validation_error", "seconds"):
            assert np.isnan(file[name][:]).all()
        assert np.isnan(file["memory_over_training"][:]).all()
        assert file["memory_over_training"].shape == (2, 1, 2, 2, 6, 16)
        assert not {"parameters", "linear", "state_size"} & set(file.ncattrs())
    assert load_file(tmp_path / "a.safetensors") == {}


AT_ONE_TASK = {  # breaks if inputs are large, in training or in validation
    "if self.training and u.abs().max() > 1e6: raise KeyError('mine')": "step 1: KeyError: 'mine'",
    "if not self.training and u.abs().max() > 1e6: raise KeyError('mine')": (
        r"validation at step 1: KeyError: 'mine'"
    ),
    "u = u[:, :9] if u.abs().max() > 1e6 else u": r"step 1: the model maps .* to \(8, 9, 1\)",
    "if u.requires_grad and u.abs().max() > 1e6: u.register_hook(lambda g: 1 / 0)": (
        "step 1: backward: ZeroDivisionError: "
    ),
}


@pytest.mark.parametrize("broken", AT_ONE_TASK)
def test_a_failing_cell_does_not_stop_the_others(
    broken: str, data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reference = write_architecture(
        tmp_path,
        f"{broken}\n        return u * self.gain",
        init="self.gain = torch.nn.Parameter(torch.ones(1))",
    )
    tasks = {2.0: data, 4.0: make_data(1e8), 8.0: make_data(2.0)}
    member = r"rho = 4, 4 steps, learning rate 0\.01, seed 0"
    where = rf"own\.py:Own, width 4, {member}: {AT_ONE_TASK[broken]}"
    # vmap hides from the model whether its input has a gradient.
    short: dict[str, Any] = {"steps": 4, "validations": 2, "ensemble_size": 1}
    with pytest.raises(ArchitectureError, match=where):
        train_several(tasks, tmp_path / "c", reference, **short)
    caplog.set_level(logging.INFO)
    pack = train_several(tasks, tmp_path / "c", reference, broken="record", **short)
    assert re.search(where, pack.cells[4.0].message)
    assert not pack.cells[4.0].members
    alone = train_several({8.0: tasks[8.0]}, tmp_path / "alone", reference, **short).cells[8.0]
    for member, progress in alone.members.items():
        assert_same(pack.cells[8.0].members[member], progress)
    write(tmp_path, pack, **short)
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert file["status"][:, 0, 0, 0].tolist() == [1, 3, 1]
        assert file["message"][:].tolist() == ["", pack.cells[4.0].message, ""]
        assert file.parameters == pack.parameters


@pytest.mark.parametrize(
    "raised",
    [
        "MemoryError()",
        "torch.OutOfMemoryError('CUDA out of memory')",
        "torch.AcceleratorError('CUDA error: an illegal memory access was encountered')",
        "OSError('stale file handle')",
    ],
)
def test_faults_of_the_machine_fail_the_job(
    raised: str, data: TrainingData, tmp_path: Path
) -> None:
    reference = write_architecture(tmp_path, f"raise {raised}")
    with pytest.raises((MemoryError, OSError, RuntimeError)):
        train(data, tmp_path / "c", reference, broken="record")


@pytest.mark.parametrize(
    "raised",
    [  # words do not count
        "RuntimeError('Expected all tensors to be on the same device, but found cuda:0 and cpu!')",
        "RuntimeError('CUDA out of memory')",
        "FileNotFoundError('table.npy')",
        "SystemExit(1)",
    ],
)
def test_faults_of_a_model_fail_its_cells(raised: str, data: TrainingData, tmp_path: Path) -> None:
    reference = write_architecture(tmp_path, f"raise {raised}")
    message = train(data, tmp_path / "c", reference, broken="record").message
    assert f"{raised.partition('(')[0]}: " in message


def test_an_index_out_of_range_on_a_gpu_is_the_models_fault() -> None:
    error = torch.AcceleratorError("CUDA error: device-side assert triggered")
    assert of_the_machine(error)
    error.error_code = 710  # type: ignore[attr-defined]
    assert not of_the_machine(error)


def test_an_allocation_that_a_limit_of_memory_refuses_is_the_machines_fault() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (64 << 20)
    held = None
    try:
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
        with pytest.raises(RuntimeError) as found:
            torch.empty(1 << 28)
        held = of_the_machine(found.value)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
    assert type(found.value) is RuntimeError
    assert held
    assert not of_the_machine(found.value)  # there is memory again
    with pytest.raises(RuntimeError) as found:
        torch.ones(2) + torch.ones(3)
    assert not of_the_machine(found.value)


def test_what_a_model_may_hold_is_trained_and_stored(data: TrainingData, tmp_path: Path) -> None:
    """Constants of all types that pass, as buffers and as parameters without gradient."""
    kept = {str(dtype).removeprefix("torch."): dtype for dtype in STORED}
    reference = write_architecture(
        tmp_path,
        "return self.gain * u",
        init="self.index = torch.nn.Parameter(torch.arange(width), requires_grad=False); "
        "self.gain = torch.nn.Parameter(torch.ones(width, 1).squeeze(1)); "
        f"[self.register_buffer(k, torch.ones(2, 3, dtype=getattr(torch, k))) for k in {[*kept]}]; "
        f"[self.register_parameter('p_' + k, torch.nn.Parameter(torch.ones(2, 3, "
        f"dtype=getattr(torch, k)), requires_grad=False)) for k in {[*kept]}]",
    )
    settings: dict[str, Any] = {"optimiser": {"weight_decay": 0.5}, "ensemble_size": 4}
    for folder in ("c", "c"):  # trained, and taken from its checkpoints
        cells = train_several({4.0: data}, tmp_path / folder, reference, **settings)
        write(tmp_path, cells, **settings)
        stored = load_file(tmp_path / "a.safetensors")
        for member in cells.cells[4.0].members:
            for key, dtype in kept.items():
                for name in (f"layers.0.mixer.{key}", f"layers.0.mixer.p_{key}"):
                    found = stored[weight_name(4.0, member, name)]
                    assert torch.equal(found, torch.ones(2, 3, dtype=dtype)), name
            index = stored[weight_name(4.0, member, "layers.0.mixer.index")]
            assert index.tolist() == [0, 1, 2, 3]
    assert cells.parameters == 4 + 8 + 4  # gain, encoder and decoder
