"""A cell: members that do not depend on each other, and only new ones trained."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from mfbench.training import cell as cell_module
from mfbench.training.cell import Cell, train_cell
from mfbench.training.checkpoints import Checkpoints
from mfbench.training.member import TrainingData
from mfbench.training.record import weight_name, write_training, write_weights
from tests.conftest import architecture_settings
from tests.training.conftest import make_settings
from tests.training.test_member import assert_same


def train(
    data: TrainingData, folder: Path, name: str = "rnn", code: str = "c", **changes: Any
) -> Cell:
    return train_cell(
        architecture_settings(name),
        data,
        width=4,
        settings=make_settings(**changes),
        code=code,
        checkpoints=Checkpoints(folder),
    )


def how(caplog: pytest.LogCaptureFixture) -> list[str]:
    """'trained' or 'found finished' for each member of the last call."""
    found = [
        r.getMessage().split(": ")[1].split(",")[0]
        for r in caplog.records
        if "learning rate" in r.getMessage()
    ]
    caplog.clear()
    return found


@pytest.mark.parametrize("name", ["rnn", "s4d", "lstm", "transformer"])
def test_a_member_is_bitwise_the_same_alone_or_among_others(
    name: str, data: TrainingData, tmp_path: Path
) -> None:
    together = train(data, tmp_path / "all", name)
    alone = train(data, tmp_path / "one", name, learning_rates=[0.03], seeds=[1])
    assert_same(together.members[0.03, 1], alone.members[0.03, 1])


def test_members_with_other_seeds_and_rates_differ(data: TrainingData, tmp_path: Path) -> None:
    cell = train(data, tmp_path)
    losses = [tuple(p.losses.tolist()) for p in cell.members.values()]
    assert len(set(losses)) == 4
    # Seeds are paired: the first loss depends on the seed and not on the learning rate.
    assert cell.members[0.01, 0].losses[0] == cell.members[0.03, 0].losses[0]


def test_adding_a_seed_or_a_rate_trains_only_what_is_new(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = train(data, tmp_path)
    assert how(caplog) == ["trained"] * 4
    again = train(data, tmp_path, seeds=[0, 1, 2])
    assert how(caplog) == ["found finished"] * 2 + ["trained"] + ["found finished"] * 2 + [
        "trained"
    ]
    for member, progress in first.members.items():
        for name, array in progress.best_weights().items():
            np.testing.assert_array_equal(array, again.members[member].best_weights()[name])
        assert progress.validation_error == again.members[member].validation_error
        assert torch.equal(progress.memory, again.members[member].memory)
    train(data, tmp_path, learning_rates=[0.01, 0.1])
    assert how(caplog) == ["found finished"] * 2 + ["trained"] * 2


@pytest.mark.parametrize(
    "change",
    [{"steps": 31}, {"batch_size": 4}, {"code": "d"}, {"gradient_clipping": 0.5}, {"name": "gru"}],
)
def test_members_of_other_settings_or_code_are_not_used(
    change: dict[str, Any], data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(data, tmp_path, seeds=[0], learning_rates=[0.01])
    caplog.set_level(logging.INFO)
    train(data, tmp_path, seeds=[0], learning_rates=[0.01], **change)
    assert how(caplog) == ["trained"]


def test_members_of_other_data_are_not_used(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(data, tmp_path, seeds=[0], learning_rates=[0.01])
    data.y[0, -1] += 1e-3
    caplog.set_level(logging.INFO)
    train(data, tmp_path, seeds=[0], learning_rates=[0.01])
    assert how(caplog) == ["trained"]


def test_how_a_job_runs_does_not_make_members_stale(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(data, tmp_path, seeds=[0], learning_rates=[0.01])
    caplog.set_level(logging.INFO)
    train(
        data, tmp_path, seeds=[0], learning_rates=[0.01], device="cpu", checkpoints={"minutes": 9}
    )
    assert how(caplog) == ["found finished"]


def test_a_killed_job_goes_on_where_it_was(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(data, tmp_path / "whole")
    saves = 0
    save = Checkpoints.save

    class KilledError(BaseException):
        pass

    def dying(self, *arguments) -> None:
        nonlocal saves
        saves += 1
        if saves == 50:  # in the middle of the second member
            raise KilledError
        save(self, *arguments)

    monkeypatch.setattr(Checkpoints, "save", dying)
    with pytest.raises(KilledError):
        train(data, tmp_path / "killed", checkpoints={"minutes": 0})
    monkeypatch.setattr(Checkpoints, "save", save)
    started = []
    original = cell_module.train_member

    def watched(run, **options):
        started.append(run.progress.step)
        return original(run, **options)

    monkeypatch.setattr(cell_module, "train_member", watched)
    resumed = train(data, tmp_path / "killed")
    assert started == [18, 0, 0]  # the first member was finished, the second half way
    for member, progress in whole.members.items():
        assert progress.validation_error == resumed.members[member].validation_error
        for name, array in progress.best_weights().items():
            np.testing.assert_array_equal(array, resumed.members[member].best_weights()[name])


@pytest.mark.parametrize("content", [b"", b"not safetensors at all", None])
def test_a_broken_checkpoint_is_named_and_trained_anew(
    content: bytes | None, data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(data, tmp_path, seeds=[0], learning_rates=[0.01])
    path = Checkpoints(tmp_path).path(0.01, 0)
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    train(data, tmp_path, seeds=[0], learning_rates=[0.01])
    assert f"{path} cannot be read" in caplog.text
    caplog.clear()
    caplog.set_level(logging.INFO)
    train(data, tmp_path, seeds=[0], learning_rates=[0.01])
    assert how(caplog) == ["found finished"]


def test_a_diverged_member_is_recorded_and_the_job_goes_on(
    data: TrainingData, tmp_path: Path
) -> None:
    data.y[5] = float("nan")
    cell = train(data, tmp_path / "c")
    settings = make_settings()
    write_training(
        tmp_path / "a.nc", cell, settings=settings, resolved={}, title="t", device="cpu: test"
    )
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert (file["status"][:] == 2).all()
        assert (file["diverged_step"][:] >= 1).all()
        assert file["validation_error"][:].shape == (2, 2, 6)


def test_the_files_of_a_cell(data: TrainingData, tmp_path: Path) -> None:
    cell = train(data, tmp_path / "c")
    settings = make_settings()
    write_weights(tmp_path / "a.safetensors", cell, resolved={"width": 4}, title="t")
    write_training(
        tmp_path / "a.nc",
        cell,
        settings=settings,
        resolved={"width": 4},
        title="t",
        device="cpu: test",
    )
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert file.state_size == 4
        assert file.parameters == 2 * 16 + 2 * 4 + 3 * 4
        assert "receptive_field" not in file.ncattrs()
        assert file.settings == '{"width": 4}'
        assert file["status"].flag_meanings == "absent ok diverged"
        assert (file["status"][:] == 1).all()
        for i, rate in enumerate([0.01, 0.03]):
            for j, seed in enumerate([0, 1]):
                member = cell.members[rate, seed]
                np.testing.assert_array_equal(
                    file["validation_error"][i, j], member.validation_error
                )
                assert file["best_validation_error"][i, j] == member.best_error
                np.testing.assert_array_equal(file["memory_over_training"][i, j], member.memory)
                assert file["seconds"][i, j] == member.seconds > 0
        for variable in file.variables.values():
            assert {"long_name", "units"} <= set(variable.ncattrs())
    with safe_open(tmp_path / "a.safetensors", framework="np") as opened:
        metadata = opened.metadata()
        assert metadata["settings"] == '{"width": 4}'
        assert {"git_commit", "package_versions", "title"} <= set(metadata)
    weights = load_file(tmp_path / "a.safetensors")
    name = weight_name(0.03, 1, "layers.0.mixer.cell.weight_hh_l0")
    expected = cell.members[0.03, 1].best_weights()["layers.0.mixer.cell.weight_hh_l0"]
    np.testing.assert_array_equal(weights[name].numpy(), expected)


def test_an_architecture_that_leaks_the_future_is_refused_before_training(
    data: TrainingData, tmp_path: Path
) -> None:
    file = tmp_path / "leaky.py"
    file.write_text(
        "from mfbench.architectures.mixer import Mixer\n"
        "class Leaky(Mixer):\n"
        "    def __init__(self, width, layer, length):\n        super().__init__()\n"
        "    def forward(self, u):\n        return u.flip(1)\n"
    )
    with pytest.raises(ValueError, match=r"leaky\.py:Leaky, width 4: the model is not causal"):
        train(data, tmp_path / "c", f"{file}:Leaky")


def test_an_architecture_that_raises_is_named(data: TrainingData, tmp_path: Path) -> None:
    file = tmp_path / "broken.py"
    file.write_text(
        "from mfbench.architectures.mixer import Mixer\n"
        "class Broken(Mixer):\n"
        "    def __init__(self, width, layer, length):\n        super().__init__()\n"
        "    def forward(self, u):\n        raise KeyError('mine')\n"
    )
    with pytest.raises(ValueError, match=r"broken\.py:Broken, width 4: KeyError: 'mine'"):
        train(data, tmp_path / "c", f"{file}:Broken")
