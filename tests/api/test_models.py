"""Models that are built, trained, loaded and probed from Python."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch

import mfbench as mf
from mfbench.files.integrity import seal
from mfbench.training.trainer import initial_model
from tests.api.models import Active, Fir, Gated
from tests.api.results import ARCHITECTURES, KERNEL, RHOS, TRAINING, WIDTH

COUNTS = {"train": 64, "validation": 16, "test": 32}


@pytest.fixture(scope="module")
def task() -> mf.Task:
    """The harder task of the small study."""
    return mf.Task(KERNEL, rho=RHOS[1], length=16, sequences=COUNTS)


def weights_of(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_a_seed_gives_the_weights_of_a_study() -> None:
    settings = ARCHITECTURES["s4d"]
    expected = initial_model(settings, width=WIDTH, length=16, seed=3)
    built = mf.build("s4d", width=WIDTH, length=16, seed=3, state=2)
    assert torch.equal(weights_of(built), weights_of(expected))
    torch.manual_seed(1)
    first = mf.build("rnn", width=3, norm="rms")
    torch.manual_seed(1)
    assert torch.equal(weights_of(first), weights_of(mf.build("rnn", width=3, norm="rms")))
    assert type(first.layers[0].norm) is torch.nn.RMSNorm


def test_a_class_gets_its_options() -> None:
    built = mf.build(Gated, width=3, taps=2, norm=True)
    assert isinstance(built, Gated)
    assert (built.conv.out_channels, built.taps, built.norm) == (3, 2, True)
    active = mf.build(Active, act=torch.nn.Tanh, size=np.int64(3))
    assert isinstance(active.act, torch.nn.Tanh)
    assert active.linear.out_features == 3


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (Active, {"act": dict}, "act: <class 'dict'>: Input should be a subclass of Module"),
        ("s4e", {}, "no architecture named 's4e'; choose from"),
        ("s4d", {"sate": 4}, r"sate: S4D has no such option; .*; did you mean state\?"),
        ("s4d", {"widht": 4}, r"widht: S4D has no such option; .*; did you mean width\?"),
        ("s4d", {"state": "four"}, "state: 'four': Input should be a valid integer"),
        ("rnn", {"norm": "batch"}, "norm: Input should be 'none', 'layer' or 'rms'"),
        (Gated, {"tabs": 2}, "tabs: Gated has no such option; it has: taps, norm"),
        (lambda: torch.zeros(1), {}, "returns Tensor, not a torch.nn.Module"),
    ],
)
def test_what_cannot_be_built_is_said(model: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mf.build(model, **options)


def train_like_the_study(model: Any, task: mf.Task, **changes: Any) -> Any:
    given = {
        "steps": TRAINING.steps[0],
        "learning_rates": TRAINING.learning_rates,
        "seeds": TRAINING.seeds,
        "training": {"batch_size": TRAINING.batch_size, "validations": TRAINING.validations},
        "device": "cpu",
    }
    return mf.train(model, task, **(given | changes))


def test_training_gives_the_numbers_of_a_study(results: Path, task: mf.Task) -> None:
    cube = mf.open(results / "cubes/benchmark.nc").sel(architecture="s4d", width=WIDTH)
    cell = cube.sel(kernel=KERNEL).isel(level=1, budget=0)
    steps: list[tuple[int, int]] = []
    by_name = train_like_the_study(
        "s4d", task, width=WIDTH, options={"state": 2}, progress=lambda *done: steps.append(done)
    )
    by_factory = train_like_the_study(
        lambda: mf.build("s4d", width=WIDTH, length=16, state=2), task
    )
    for found in (by_name, by_factory):
        for name in ("relative_mse", "validation_error", "best_validation_error"):
            np.testing.assert_allclose(found.runs[name], cell[name], rtol=1e-4)
        np.testing.assert_array_equal(
            found.runs.selected_learning_rate, cell.selected_learning_rate
        )
    assert steps[-1] == (80, 80)
    assert steps == sorted(steps)
    best = by_name.best
    assert by_name.error == float(best.relative_mse)
    assert float(best.best_validation_error) == float(cell.best_validation_error.min())
    assert float(mf.probe(by_name.module, task).relative_mse) == pytest.approx(by_name.error)
    assert "best test error" in repr(by_name)
    assert "<table" in by_name._repr_html_()


def test_a_module_is_copied_and_trained_from_its_weights(task: mf.Task) -> None:
    module = Gated(4)
    before = weights_of(module)
    found = mf.train(module, task, steps=3, learning_rates=1e-9, seeds=[0, 1], device="cpu")
    assert torch.equal(weights_of(module), before)
    assert isinstance(found.module, Gated)
    torch.testing.assert_close(weights_of(found.module), before)
    assert not torch.equal(weights_of(found.module), before)
    assert np.finfo(np.float64).tiny / 2 > 0  # the process is set up as before


def test_a_model_that_cannot_be_trained_is_refused(task: mf.Task) -> None:
    ahead = torch.nn.Sequential(torch.nn.Linear(1, 1), Fir(torch.ones(2), shift=1))
    with pytest.raises(ValueError, match="architecture Sequential, width 16: the model is not cau"):
        mf.train(ahead, task)
    with pytest.raises(ValueError, match="1 of 1 run diverged: try learning rates below 1e"):
        mf.train("rnn", task, steps=20, learning_rates=1e30, seeds=1, width=2, device="cpu")


def test_a_number_of_seeds_starts_at_0_and_a_list_names_them(task: mf.Task) -> None:
    given = {"steps": 2, "learning_rates": 0.01, "width": 2, "device": "cpu"}
    for seeds, expected in ((2, [0, 1]), (np.arange(1, 3), [1, 2])):
        assert mf.train("rnn", task, seeds=seeds, **given).runs.seed.values.tolist() == expected


def test_the_name_of_a_kernel_is_no_task() -> None:
    for call in (lambda: mf.train("rnn", "airy"), lambda: mf.probe(torch.nn.Linear(1, 1), "airy")):
        with pytest.raises(TypeError, match=r"the task is 'airy': give a Task, as in mf\.Task"):
            call()


@pytest.mark.parametrize(
    ("call", "given", "message"),
    [
        (mf.train, {"step": 3}, r"train\(\) has no argument step; did you mean steps\?"),
        (mf.probe, {"prob": 3}, r"probe\(\) has no argument prob; did you mean probes\?"),
        (mf.Task, {"memory_lenght": 3}, r"Task\(\) has no .*; did you mean memory_length\?"),
        (mf.floor, {"states": 3}, r"floor\(\) has no argument states; did you mean state\?"),
        (mf.memory_length, {"ro": 3}, r"did you mean rho\?"),
        (mf.memory_function, {"zzz": 3}, r"has no argument zzz; it has kernel, rho, "),
        (mf.load_model, {"kernels": "airy"}, r"did you mean kernel\?"),
    ],
)
def test_a_misspelt_argument_is_told_with_the_close_one(call, given, message) -> None:
    with pytest.raises(TypeError, match=message):
        call("airy", **given)
    with pytest.raises(AttributeError, match=r"no attribute 'trian'; did you mean train\?"):
        _ = mf.trian


def test_the_result_of_training_is_as_good_as_its_module(task: mf.Task) -> None:
    given = {"steps": 3, "learning_rates": 1e-9, "seeds": 1, "device": "cpu"}
    found = mf.train("rnn", task, width=2, **given)
    assert float(mf.probe(found, task).relative_mse) == pytest.approx(found.error)
    again = mf.train(found, task, **given)
    torch.testing.assert_close(weights_of(again.module), weights_of(found.module))
    for named in ("rnn", Gated):
        with pytest.raises(TypeError, match=r"probe measures a module, not .*: give mf\.train\("):
            mf.probe(named, task)


def test_settings_that_are_arguments_of_train_are_refused(task: mf.Task) -> None:
    with pytest.raises(ValueError, match="training must not contain device, steps: give them as"):
        mf.train("rnn", task, training={"steps": [2], "device": "cpu", "batch_size": 8})


def test_a_loaded_model_is_the_one_of_the_cube(results: Path, task: mf.Task) -> None:
    best = mf.open(results / "cubes/benchmark.nc").mf.selected()
    for seed in (0, 1):
        expected = best.relative_mse.sel(architecture="rnn", seed=seed).squeeze().isel(level=1)
        for which in ({"level": -1}, {"rho": RHOS[1]}, {"memory_length": task.memory_length}):
            loaded = mf.load_model(results, architecture="rnn", kernel=KERNEL, seed=seed, **which)
            assert not loaded.training
            found = mf.probe(loaded, task, probes=16)
            assert float(found.relative_mse) == pytest.approx(float(expected), rel=1e-5)


def test_a_model_of_ones_own_loads_from_any_folder_and_draws_no_numbers(
    results: Path, tmp_path: Path
) -> None:
    copied = shutil.copytree(results, tmp_path / "results" / "small")
    (tmp_path / "mine.py").write_text(
        "from mfbench.models.architectures.rnn import RNN\nclass Mine(RNN): ...\n"
    )
    for record in copied.glob("training/*/rnn/**/*.nc"):
        with netCDF4.Dataset(record, "a") as file:
            settings = json.loads(file.settings)
            settings["architecture"]["model"] = "mine.py:Mine"
            file.settings = json.dumps(settings)
        seal(record, ".nc")
    state = torch.get_rng_state()
    which = {"architecture": "rnn", "kernel": KERNEL, "level": 0}
    loaded, own = (mf.load_model(folder, **which) for folder in (results, copied))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(weights_of(loaded), weights_of(own))
    assert type(own.layers[0].mixer).__name__ == "Mine"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "gru"}, "has no gru on exponential; it has rnn on exponential, s4d on"),
        ({"level": None}, "give exactly one of level, memory_length, rho"),
        ({"level": 2}, r"level = 2 must lie in 0\.\.1"),
        ({"level": None, "rho": 0.5}, r"no rho = 0\.5: the study has 0\.3, 0\.6"),
        ({"seed": 7}, "no seed = 7: the study has 0, 1"),
        ({"learning_rate": 0.1}, r"no learning_rate = 0\.1: the study has 0\.003, 0\.03"),
        ({"width": 8}, "no width = 8: the study has 4"),
    ],
)
def test_a_model_that_is_not_there_is_said(
    results: Path, changes: dict[str, Any], message: str
) -> None:
    given = {"architecture": "rnn", "kernel": KERNEL, "level": 0, **changes}
    with pytest.raises(ValueError, match=message):
        mf.load_model(results, **given)


@pytest.mark.parametrize("lags", [2, 16])
def test_a_probe_finds_what_a_module_remembers(task: mf.Task, lags: int) -> None:
    """A module with the first lags of the target misses the energy of the others."""
    k, w = task.memory_function, task.weights
    h = np.where(np.arange(16) < lags, k, 0.0)
    missed = float(np.sum(w * (k - h) ** 2))
    found = mf.probe(Fir(torch.tensor(h, dtype=torch.float32)), task)
    np.testing.assert_allclose(found.learned_memory_function, h, atol=1e-6)
    np.testing.assert_array_equal(found.memory_function, k)
    for name in ("kernel_error", "relative_mse"):
        error = max(float(found[f"{name}_standard_error"]), 1e-9)
        assert abs(float(found[name]) - missed) < 4 * error
    assert found.generalisation_error.sizes == {"length_factor": 2}
    assert (found.generalisation_error < missed + 0.1).all()


def test_a_probe_leaves_a_module_as_it_is(task: mf.Task) -> None:
    module = torch.nn.Sequential(Gated(3), torch.nn.Dropout(0.5)).requires_grad_(False)
    before, state = weights_of(module), torch.get_rng_state()
    mf.probe(module, task)
    assert torch.equal(weights_of(module), before)
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training
    assert not any(p.requires_grad for p in module.parameters())


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Fir(torch.ones(3), shift=1), "the model is not causal: y_t depends on x"),
        (torch.nn.Linear(1, 2), r"\(2, 16, 2\), not to \(B, T, 1\)"),
        (torch.nn.LSTM(1, 1, batch_first=True), "returns a tuple, not one tensor"),
    ],
)
def test_what_cannot_be_probed_is_said(
    task: mf.Task, module: torch.nn.Module, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mf.probe(module, task)
