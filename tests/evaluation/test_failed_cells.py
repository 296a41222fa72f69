"""Cells at which an architecture's own code breaks, in its training or in its evaluation."""

from __future__ import annotations

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
from mfbench.study.evaluation import EvaluationSettings
from mfbench.training.run import Run
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


def test_runs_that_were_not_asked_for_stay_absent_where_the_evaluation_fails(
    tmp_path: Path,
) -> None:
    reference = own_architecture(tmp_path, "pass")
    files = make_level(tmp_path, reference, 0.3, runs=[Run(20, 0.003, 0), Run(20, 0.01, 5)])
    for outcome, broken in (("ok", "pass"), ("failed", "raise KeyError('mine')")):
        own_architecture(tmp_path, broken)
        status = np.array(STATUS)[evaluate(reference, [files]).status[0, 0].values]
        assert status.tolist() == [[outcome, "absent"], ["absent", outcome]]


def test_a_cell_that_failed_in_training_is_passed_on(tmp_path: Path) -> None:
    broken = "if self.training and BROKEN: raise KeyError('mine')"
    reference = own_architecture(tmp_path, broken.replace("BROKEN", "False"))
    easy, hard = (make_level(tmp_path, reference, rho) for rho in (0.3, 0.6))
    own_architecture(tmp_path, broken.replace("BROKEN", "True"))
    failed = make_level(tmp_path, reference, 0.5)
    group = evaluate(reference, [easy, failed, hard])
    check_failed(group, 1)
    message = f"architecture {reference}, width 4: KeyError: 'mine' (own.py:8)"
    assert group.message.values[1] == message
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


# Where a model breaks: its lines at the time of training and of evaluation, and the message.
SOUND = "return self.gain * u"
STAGES = {
    "saving": (
        f"{SOUND}\n    def state_dict(self, *_, **__): raise KeyError('mine')",
        SOUND,
        "width 4: KeyError: 'mine'",
    ),
    "built again": (SOUND, "INIT", "evaluation: KeyError: 'mine'"),
    "loading": (
        SOUND,
        f"{SOUND}\n    def _load_from_state_dict(self, *_): raise KeyError('mine')",
        "does not fit the model: KeyError: 'mine'",
    ),
    "evaluation": (SOUND, "raise KeyError('mine')", "seed 0: KeyError: 'mine'"),
    "probe": (
        SOUND,
        f"if u.requires_grad: raise KeyError('mine')\n        {SOUND}",
        "seed 0: KeyError: 'mine'",
    ),
}


def own_at(folder: Path, lines: str) -> str:
    gain = "self.gain = torch.nn.Parameter(torch.ones(1))"
    init = "raise KeyError('mine')" if lines == "INIT" else gain
    return write_architecture(folder, SOUND if lines == "INIT" else lines, init=init)


@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_at_any_stage_fails_its_cells_alone(stage: str, tmp_path: Path) -> None:
    training, evaluation, message = STAGES[stage]
    reference = own_at(tmp_path, training)
    files = make_level(tmp_path, reference, 0.3)
    own_at(tmp_path, evaluation)
    group = evaluate(reference, [files])
    assert (group.status == STATUS.index("failed")).all()
    assert message in group.message.item()
    assert group.relative_mse.isnull().all()


def test_a_model_that_breaks_on_longer_sequences_loses_those_errors_alone(tmp_path: Path) -> None:
    # One member of one level breaks at 32 steps, and none at 16.
    broken = "if u.shape[1] > 16 and float(self.gain.detach()) > 1.5: raise KeyError('long')"
    reference = own_architecture(tmp_path, broken)
    files = [make_level(tmp_path, reference, rho) for rho in (0.3, 0.5)]
    with safe_open(files[1].weights, framework="pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(files[1].weights)
    tensors["rho=0.5/steps=20,learning_rate=0.01,seed=5/layers.0.mixer.gain"][:] = 2.0
    with atomic(files[1].weights) as temporary:
        save_file(tensors, temporary, metadata=metadata)
    group = evaluate(reference, files)
    assert (group.status == STATUS.index("ok")).all()
    assert np.isfinite(group.relative_mse).all()
    lost = group.generalisation_error.isnull()
    assert lost.sel(level=1, learning_rate=0.01, seed=5).all()
    assert int(lost.sum()) == group.sizes["length_factor"]
    assert group.generalisation_message.values.tolist() == [
        "",
        "on sequences of 32 steps: KeyError: 'long' (own.py:8)",
    ]


def test_a_table_of_positions_loses_longer_sequences_with_a_reason(tmp_path: Path) -> None:
    init = "self.P = torch.nn.Parameter(torch.zeros(length, width))"
    reference = write_architecture(tmp_path, "return u + self.P", init=init)
    said = {
        reference: "on sequences of 32 steps: RuntimeError: ",
        "transformer": "the model runs 16 steps at most, not 32",
    }
    for name, reason in said.items():
        options = {"options": {"positions": "learned"}} if name == "transformer" else {}
        files = make_level(tmp_path, name, 0.3, **options)
        settings = EvaluationSettings(probes=32)
        group = evaluate_files(architecture_settings(name, **options), [files], settings=settings)
        assert (group.status == STATUS.index("ok")).all()
        assert np.isfinite(group.relative_mse).all()
        assert group.generalisation_error.isnull().all()
        assert group.generalisation_message.item().startswith(reason)


def test_what_is_the_machines_fails_the_evaluation(tmp_path: Path) -> None:
    broken = "if u.shape[1] > 16: raise torch.OutOfMemoryError('CUDA out of memory')"
    reference = own_architecture(tmp_path, "")
    files = [make_level(tmp_path, reference, 0.3)]
    own_architecture(tmp_path, broken)
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
