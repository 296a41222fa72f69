"""Evaluation of a group, from files to file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import load_file

from mfbench.evaluation.capacity import memory_capacity
from mfbench.evaluation.group import write_evaluation
from mfbench.evaluation.length_generalisation import generalisation_error, longer_task
from mfbench.evaluation.member import MEASURED, EvaluationData, measure
from mfbench.evaluation.perturbation import perturbation_error
from mfbench.files.integrity import seal
from mfbench.floors.netcdf import read_floors
from mfbench.models.ensemble import Ensemble
from mfbench.models.model import SequenceModel
from mfbench.study.evaluation import EvaluationSettings
from mfbench.tasks.datasets import read_dataset
from mfbench.training.cells import train_cells
from mfbench.training.status import STATUS
from mfbench.training.trainer import initial_model
from tests.conftest import architecture_settings
from tests.evaluation.groups import (
    TRAINING,
    Files,
    evaluate,
    evaluate_files,
    make_level,
    training_data,
    write_trained,
)


def model_by_hand(files: Files) -> SequenceModel:
    """The member with learning rate 0.01 and seed 5, rebuilt from its weights."""
    prefix = f"rho={files.dataset.stem}/steps=20,learning_rate=0.01,seed=5/"
    found = load_file(files.weights).items()
    model = initial_model(architecture_settings("rnn"), width=4, length=16, seed=99)
    model.load_state_dict({k.removeprefix(prefix): v for k, v in found if k.startswith(prefix)})
    return model


@pytest.fixture(scope="module")
def group(rnn_files: list[Files]) -> xr.Dataset:
    """The evaluation of both levels at their only budget; not to be changed."""
    group = evaluate("rnn", rnn_files)
    assert group.budget.values.tolist() == [20]
    return group.isel(budget=0)


def test_every_member_of_every_level_is_measured(rnn_files: list[Files], group: xr.Dataset) -> None:
    assert dict(group.sizes) == {
        "level": 2, "learning_rate": 2, "seed": 2, "step": 5, "lag": 16, "time": 8, "threshold": 3,
        "perturbation": 4, "length_factor": 2,
    }  # fmt: skip
    np.testing.assert_array_equal(group.rho, [0.3, 0.5])
    assert group.memory_length.dtype.kind in "if"
    task = read_dataset(rnn_files[0].dataset)
    with torch.no_grad():
        y = model_by_hand(rnn_files[0])(torch.from_numpy(task.inputs("test")))[..., 0].numpy()
    expected = np.mean((y - task.y["test"])[:, 8:].astype(float) ** 2)
    member = group.sel(level=0, learning_rate=0.01, seed=5)
    assert float(member.relative_mse) == pytest.approx(expected, rel=1e-5)
    assert float(member.error_over_time.mean()) == pytest.approx(expected, rel=1e-5)


def test_a_diverged_member_keeps_its_curve_and_has_no_errors(group: xr.Dataset) -> None:
    member = group.sel(level=1, learning_rate=0.01, seed=5)
    assert STATUS[int(member.status)] == "diverged"
    assert int(member.diverged_step) == 20
    assert np.isnan(member.relative_mse)
    for name in MEASURED:
        assert np.isnan(member[name]).all(), name
        assert np.isfinite(group[name].sel(level=0)).all(), name
    assert np.isfinite(member.validation_error[:-1]).all()
    assert np.isfinite(group.relative_mse.sel(level=1, learning_rate=0.003)).all()
    # Seed 5 diverged there, so for seed 0 the other rate is selected.
    assert float(group.selected_learning_rate.sel(level=1, seed=0)) == 0.003


def test_the_state_is_measured_for_each_seed_that_counts(
    rnn_files: list[Files], group: xr.Dataset
) -> None:
    counts = (group.learning_rate == group.selected_learning_rate) & (
        group.status == STATUS.index("ok")
    )
    for name in ("memory_capacity", "total_memory_capacity", "readout_error"):
        there = group[name].notnull().any([d for d in group[name].dims if d == "lag"])
        np.testing.assert_array_equal(there.transpose(*counts.dims), counts)
        assert "capacity_message" in group[name].attrs["comment"]
    expected = memory_capacity(model_by_hand(rnn_files[0]), read_dataset(rnn_files[0].dataset))
    member = group.sel(level=0, learning_rate=0.01, seed=5)
    np.testing.assert_allclose(member.memory_capacity, expected.over_lag)
    np.testing.assert_allclose(member.total_memory_capacity, expected.over_lag.sum())
    np.testing.assert_allclose(member.readout_error, expected.readout_error)
    assert group.capacity_message.values.tolist() == ["", ""]


def test_the_parts_add_up_in_the_file(group: xr.Dataset) -> None:
    group = group.sel(level=0)
    parts = ("kernel_error", "time_variation", "squared_bias", "nonlinear_residual")
    gap = sum(group[name] for name in parts) - group.relative_mse
    variance = sum(group[f"{name}_standard_error"] ** 2 for name in parts)
    assert (abs(gap) < 3 * np.sqrt(variance + group.relative_mse_standard_error**2)).all()
    np.testing.assert_allclose(group.kernel_error_over_lag.sum("lag"), group.kernel_error)
    over_lag = group.weights * (group.memory_function - group.learned_memory_function) ** 2
    noise = group.weights * group.learned_memory_function_standard_error**2
    # Less its noise, each lag is what it says.
    xr.testing.assert_allclose(
        group.kernel_error_over_lag, (over_lag - noise).transpose(..., "lag"), atol=1e-12
    )
    np.testing.assert_array_equal(group.perturbation, [0.0, 0.001, 0.01, 0.1])
    np.testing.assert_array_equal(group.length_factor, [2, 4])
    np.testing.assert_allclose(group.perturbation_error[..., 0], group.relative_mse, rtol=1e-6)


def test_members_are_perturbed_and_stretched_as_the_settings_say(
    rnn_files: list[Files],
) -> None:
    settings = EvaluationSettings.model_validate(
        {
            "probes": 32,
            "perturbations": {"relative_norms": [0.2], "repeats": 2, "sequences": 5},
            "length_factors": [3],
            "length_sequences": 7,
        }
    )
    group = evaluate_files(architecture_settings("rnn"), rnn_files, settings=settings)
    task = read_dataset(rnn_files[0].dataset)
    data = EvaluationData.of(task, settings)
    member = group.sel(level=0, budget=20, learning_rate=0.01, seed=5)
    ensemble = Ensemble([model_by_hand(rnn_files[0])])
    (expected,) = perturbation_error(
        ensemble,
        data.x[None, :5],
        data.y[None, :5],
        relative_norms=[0.2],
        repeats=2,
        seeds=[5],
        scored_from=8,
        batch_size=100,
    )
    np.testing.assert_allclose(member.perturbation_error, expected, rtol=1e-6)
    stretched = longer_task(task, 3, sequences=7)
    expected_error, _ = generalisation_error(ensemble, [stretched], batch_size=100)
    np.testing.assert_allclose(member.generalisation_error, expected_error, rtol=1e-6)


def test_selection_looks_at_validation_only(group: xr.Dataset) -> None:
    best = group.best_validation_error.sel(level=0).idxmin("learning_rate")
    chosen = group.selected_learning_rate.sel(level=0)
    assert chosen.dims == ("seed",)
    np.testing.assert_array_equal(chosen, best.values[::-1])  # each of two has the other's best


def test_what_follows_from_curves_is_that_of_the_record(
    rnn_files: list[Files], group: xr.Dataset
) -> None:
    with xr.open_dataset(rnn_files[0].training) as record:
        np.testing.assert_array_equal(
            group.memory_over_training.sel(level=0), record.memory_over_training[0, 0]
        )
    assert group.memory_over_training.dtype == np.float32
    assert group.memory_over_training.sel(level=0).notnull().all()
    settings = EvaluationSettings.model_validate(
        {"probes": 8, "plateau": {"fall": 1e-3, "until": 1e9}, "thresholds": [1e-12, 1e9]}
    )
    easy = evaluate_files(architecture_settings("rnn"), rnn_files, settings=settings).sel(level=0)
    assert (easy.plateau_length == 0).all()  # learned at the first validation
    assert easy.first_step_below.isnull().sel(threshold=1e-12).all()
    assert (easy.first_step_below.sel(threshold=1e9) == 1).all()


def test_the_file_describes_itself(group: xr.Dataset, tmp_path: Path) -> None:
    resolved: dict[str, Any] = {"architecture_name": "rnn", "width": 4, "kernel": "exponential"}
    write_evaluation(tmp_path / "e.nc", group, resolved=resolved, title="t")
    with xr.open_dataset(tmp_path / "e.nc") as file:
        for name, variable in file.variables.items():
            assert {"long_name", "units"} <= set(variable.attrs), name
        assert file.attrs["kernel"] == "exponential"
        for name in ("git_commit", "package_versions", "settings", "seeds", "Conventions"):
            assert name in file.attrs


def test_weights_that_do_not_fit_are_named(rnn_files: list[Files], tmp_path: Path) -> None:
    assert "0.3.safetensors does not fit the model" in evaluate("gru", rnn_files).message.values[0]
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    files = replace(rnn_files[0], weights=broken)
    with pytest.raises(ValueError, match=r"broken\.safetensors: .*corrupt"):
        evaluate("rnn", [files])


def test_every_model_has_the_floors_of_its_size(tmp_path: Path) -> None:
    files = make_level(tmp_path, "rnn", 5, family="impulse")
    group = evaluate("rnn", [files])  # four states, which the file of floors has
    assert (group.lower_floor.item(), group.upper_floor.item()) == read_floors(files.floors).bounds[
        4
    ]
    assert 0 < group.lower_floor < group.upper_floor < 1
    assert group.order.item() == 6
    assert group.approximation_part.item() == np.log10(group.upper_floor.item())
    total = group.approximation_part + group.optimisation_part
    np.testing.assert_allclose(total[0], np.log10(group.relative_mse[0]))


def change_measurements(monkeypatch: pytest.MonkeyPatch, **changes: float) -> None:
    monkeypatch.setattr(
        "mfbench.evaluation.group.measure",
        lambda *given, **options: [one | changes for one in measure(*given, **options)],
    )


def test_a_linear_model_that_beats_its_floor_fails_its_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linear: dict[str, Any] = {"activation": "none", "options": {"state": 2}}
    files = make_level(tmp_path, "lru", 0.6, **linear)
    settings = EvaluationSettings(probes=32)
    group = evaluate_files(architecture_settings("lru", **linear), [files], settings=settings)
    assert group.linear.item() == 1
    # As if the architecture had declared a smaller state than it has.
    with netCDF4.Dataset(files.floors, "a") as file:
        file["lower_bound"][:] = 2 * float(group.kernel_error.max())
    seal(Path(files.floors), ".nc")
    group = evaluate_files(architecture_settings("lru", **linear), [files], settings=settings)
    assert (group.status == STATUS.index("failed")).all()
    assert group.relative_mse.isnull().all()
    said = r"0\.6\.safetensors.*learning_rate=.*is linear.*below"
    assert re.search(said, group.message.item())
    # Were its response to vary over time, it might.
    change_measurements(monkeypatch, time_variation=1e-3)
    group = evaluate_files(architecture_settings("lru", **linear), [files], settings=settings)
    assert (group.status == STATUS.index("ok")).all()


def test_a_linear_model_that_varies_is_bound_by_its_receptive_field_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No built-in linear model varies over time, so the measurement is changed."""
    linear: dict[str, Any] = {"activation": "none", "options": {"state": 2}}
    files = make_level(tmp_path, "lru", 0.6, **linear)
    with netCDF4.Dataset(files.floors, "a") as file:
        file["lower_bound"][:] = 0.5
    seal(Path(files.floors), ".nc")
    change_measurements(monkeypatch, kernel_error=0.0, time_variation=0.1)
    settings = EvaluationSettings(probes=32)
    evaluate_files(architecture_settings("lru", **linear), [files], settings=settings)
    assert "varies over time" in caplog.text


def test_levels_trained_in_one_job_or_in_several_are_the_same(
    rnn_files: list[Files], tmp_path: Path
) -> None:
    alone = [f for f in rnn_files if "0.3" in f.dataset.name]
    alone.append(make_level(tmp_path, "rnn", 0.5))
    both = train_cells(
        architecture_settings("rnn"),
        {rho: training_data(f) for rho, f in zip((0.3, 0.5), alone, strict=True)},
        width=4,
        settings=TRAINING,
        code="",
        checkpoints={rho: tmp_path / f"together/{rho}" for rho in (0.3, 0.5)},
    )
    job = replace(alone[0], training=tmp_path / "p.nc", weights=tmp_path / "p.safetensors")
    write_trained(job, both)
    together = [replace(f, training=job.training, weights=job.weights) for f in alone]
    one, other = (evaluate("rnn", files).drop_vars("seconds") for files in (alone, together))
    xr.testing.assert_equal(one, other)
    # The levels are those of the datasets, from easy to hard, whichever job trained them.
    turned = evaluate("rnn", [alone[1], alone[0]])
    assert turned.rho.values.tolist() == [0.5, 0.3]
    assert (one.message == "").all()


def test_a_level_that_was_not_trained_is_named(rnn_files: list[Files]) -> None:
    other = [replace(rnn_files[0], dataset=rnn_files[1].dataset)]
    with pytest.raises(ValueError, match=r"no training record has exponential with rho = 0\.5"):
        evaluate("rnn", other)
