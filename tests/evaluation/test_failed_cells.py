"""Cells at which an architecture's own code breaks, in its training or in its evaluation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mfbench.evaluation.group import write_evaluation
from mfbench.evaluation.member import MEASURED
from mfbench.files import atomic
from mfbench.models.own_code import ArchitectureError
from mfbench.study.evaluation import EvaluationSettings
from mfbench.training.status import STATUS
from tests.conftest import architecture_settings, write_architecture
from tests.evaluation.groups import (
    Files,
    evaluate,
    evaluate_files,
    make_level,
)


def own_architecture(folder: Path, broken: str) -> str:
    """A model of a user, u -> gain * u, with a line of its own in front."""
    return write_architecture(
        folder,
        f"{broken}\n        return self.gain * u",
        init="self.gain = torch.nn.Parameter(torch.ones(1))",
    )


def check_failed(group: xr.Dataset, level: int) -> None:
    """The level has a message and no number; the others have all of theirs."""
    for at in range(group.sizes["level"]):
        failed, cell = at == level, group.isel(level=at)
        assert (cell.status == STATUS.index("failed" if failed else "ok")).all()
        assert bool(cell.message.item()) == failed
        assert (np.isnan(cell.selected_learning_rate) == failed).all()
        for name in (*MEASURED, "validation_error", "optimisation_part", "seconds"):
            assert np.isnan(cell[name]).all() == failed, name
        for name in ("rho", "memory_length", "parameters", "upper_floor", "memory_function"):
            assert np.isfinite(cell[name]).all(), name


def test_a_cell_that_failed_in_training_is_passed_on(tmp_path: Path) -> None:
    broken = "if self.training and BROKEN: raise KeyError('mine')"
    reference = own_architecture(tmp_path, broken.replace("BROKEN", "False"))
    easy, hard = (make_level(tmp_path, reference, rho) for rho in (0.3, 0.6))
    own_architecture(tmp_path, broken.replace("BROKEN", "True"))
    failed = make_level(tmp_path, reference, 0.5)
    group = evaluate(reference, [easy, failed, hard])
    check_failed(group, 1)
    assert group.message.values[1] == (
        f"architecture {reference}, width 4, rho = 0.5, learning rate 0.003, seed 0: "
        "step 1: KeyError: 'mine'"
    )
    path = tmp_path / "e.nc"
    names: dict[str, Any] = {"architecture_name": "own", "width": 4, "kernel": "exponential"}
    write_evaluation(path, group, resolved=names, title="t")
    with xr.open_dataset(path) as file:
        assert file.message.values.tolist() == group.message.values.tolist()


def test_a_group_that_could_not_be_built_has_no_size(tmp_path: Path) -> None:
    reference = own_architecture(tmp_path, "raise KeyError('mine')")
    group = evaluate(reference, [make_level(tmp_path, reference, 0.3)])
    assert "KeyError: 'mine'" in group.message.item()
    for name in ("parameters", "linear", "state_size", "lower_floor", "approximation_part"):
        assert np.isnan(group[name].item()), name
    assert group.memory_length.item() > 0


def test_a_model_that_breaks_in_the_evaluation_alone_fails_its_cell(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Trained at 16 steps; sequences of twice that length break it at one of the two levels.
    broken = "if u.shape[1] > 16 and float(self.gain.detach()) > 1.5: raise KeyError('long')"
    reference = own_architecture(tmp_path, broken)
    files = [make_level(tmp_path, reference, rho) for rho in (0.3, 0.5)]
    with safe_open(files[1].weights, framework="pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(files[1].weights)
    name = "rho=0.5/learning_rate=0.01,seed=5/layers.0.mixer.gain"
    tensors[name][:] = 2.0
    with atomic(files[1].weights) as temporary:
        save_file(tensors, temporary, metadata=metadata)
    said = (
        r"width 4, rho = 0\.5, evaluation: learning rate 0\.01, seed 5: "
        r"on sequences of 32 steps: KeyError: 'long'"
    )
    settings = EvaluationSettings(probes=32)
    with pytest.raises(ArchitectureError, match=said):
        evaluate_files(architecture_settings(reference), files, settings=settings, stop=True)
    group = evaluate_files(architecture_settings(reference), files, settings=settings)
    check_failed(group, 1)
    assert re.search(said, group.message.values[1])
    assert "FAILED, and recorded as such" in caplog.text


def test_what_is_the_machines_fails_the_evaluation(tmp_path: Path) -> None:
    broken = "if u.shape[1] > 16: raise torch.OutOfMemoryError('CUDA out of memory')"
    reference = own_architecture(tmp_path, broken)
    files = [make_level(tmp_path, reference, 0.3)]
    with pytest.raises(torch.OutOfMemoryError):
        evaluate_files(
            architecture_settings(reference),
            files,
            settings=EvaluationSettings(probes=32),
        )


def test_a_slip_of_mfbench_is_not_blamed_on_the_architecture(
    rnn_files: list[Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mfbench.evaluation import group as module

    def slip(*_: Any, **__: Any) -> None:
        raise IndexError("ours")

    monkeypatch.setattr(module, "measure", slip)
    with pytest.raises(IndexError, match="ours"):
        evaluate_files(
            architecture_settings("rnn"),
            rnn_files[:1],
            settings=EvaluationSettings(probes=32),
        )
