"""Cells and packs of them: members that do not depend on each other, and only new ones trained."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from mfbench.training import pack as pack_module
from mfbench.training.checkpoints import Checkpoints
from mfbench.training.data import TrainingData
from mfbench.training.record import weight_name
from mfbench.training.stack import StackedRun
from mfbench.training.status import STATUS
from tests.conftest import write_architecture
from tests.training.conftest import make_data
from tests.training.packs import how, train, train_several, write
from tests.training.test_member import assert_same


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
    original = pack_module.train_member

    def watched(run, **options):
        started.append(run.progress.step)
        return original(run, **options)

    monkeypatch.setattr(pack_module, "train_member", watched)
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
    path = Checkpoints(tmp_path / "rho=4").path(0.01, 0)
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
    write(tmp_path, train_several({"4": data}, tmp_path / "c"))
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert (file["status"][:] == STATUS.index("diverged")).all()
        assert (file["diverged_step"][:] >= 1).all()
        assert file["validation_error"][:].shape == (1, 2, 2, 6)


def test_the_files_of_a_pack(data: TrainingData, tmp_path: Path) -> None:
    harder = make_data(2.0)
    pack = train_several({"4": data, "1e-05": harder}, tmp_path / "c")
    write(tmp_path, pack)
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert file.state_size == 4
        assert file.parameters == 2 * 16 + 2 * 4 + 3 * 4
        assert "receptive_field" not in file.ncattrs()
        assert file.settings == '{"width": 4}'
        assert file["status"].flag_meanings == "absent ok diverged failed"
        assert file["status"].flag_values.tolist() == [0, 1, 2, 3]
        assert (file["status"][:] == 1).all()
        assert file["rho"][:].tolist() == [4.0, 1e-05]
        assert file["failure"][:].tolist() == ["", ""]
        for level, cell in enumerate(pack.cells.values()):
            for i, rate in enumerate([0.01, 0.03]):
                for j, seed in enumerate([0, 1]):
                    at, member = (level, i, j), cell.members[rate, seed]
                    np.testing.assert_array_equal(
                        file["validation_error"][at], member.validation_error
                    )
                    assert file["best_validation_error"][at] == member.best_error
                    np.testing.assert_array_equal(file["memory_over_training"][at], member.memory)
                    assert file["seconds"][at] == member.seconds > 0
        for variable in file.variables.values():
            assert {"long_name", "units"} <= set(variable.ncattrs())
    with safe_open(tmp_path / "a.safetensors", framework="np") as opened:
        metadata = opened.metadata()
        assert metadata["settings"] == '{"width": 4}'
        assert {"git_commit", "package_versions", "title"} <= set(metadata)
    weights = load_file(tmp_path / "a.safetensors")
    parameter = "layers.0.mixer.cell.weight_hh_l0"
    for rho, cell in pack.cells.items():
        name = weight_name(rho, 0.03, 1, parameter)
        assert name == f"rho={rho}/learning_rate=0.03,seed=1/{parameter}"
        expected = cell.members[0.03, 1].best_weights()[parameter]
        np.testing.assert_array_equal(weights[name].numpy(), expected)


def test_a_cell_is_the_same_alone_or_in_a_pack(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = {"4": data, "8": make_data(2.0)}
    caplog.set_level(logging.INFO)
    pack = train_several(tasks, tmp_path / "together")
    assert list(pack.cells) == ["4", "8"]
    assert how(caplog) == ["trained"] * 8
    for rho, task in tasks.items():
        alone = train_several({rho: task}, tmp_path / "alone").cells[rho]
        for member, progress in alone.members.items():
            assert_same(pack.cells[rho].members[member], progress)
    # Its members are found again in whichever pack it comes next.
    caplog.clear()
    train_several({"8": tasks["8"], "16": make_data(3.0)}, tmp_path / "together")
    assert how(caplog) == ["found finished"] * 4 + ["trained"] * 4


def test_the_members_of_a_pack_train_as_one_stack(tmp_path: Path) -> None:
    tasks = {"4": make_data(), "8": make_data(2.0)}
    alone = train_several(tasks, tmp_path / "alone", "gru")
    together = train_several(tasks, tmp_path / "together", "gru", stack=6)
    write(tmp_path, together)
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        # Eight members in two stacks of four, across the two levels or within them.
        assert (file["stack_size"][:] == 4).all()
        numbers, counts = np.unique(file["stack"][:], return_counts=True)
        assert counts.tolist() == [4, 4]
        assert (numbers > 0).all()
    for rho, cell in alone.cells.items():
        for member, progress in cell.members.items():
            assert (progress.stack_size, progress.stack) == (1, 0)
            other = together.cells[rho].members[member]
            np.testing.assert_allclose(progress.losses, other.losses, rtol=1e-4)
            np.testing.assert_allclose(progress.validation_error, other.validation_error, rtol=1e-4)


def test_members_that_are_finished_are_in_no_stack(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = train(data, tmp_path, seeds=[0])
    more = train(data, tmp_path, seeds=[0, 1, 2], stack=4)
    for (rate, seed), progress in more.members.items():
        assert progress.stack_size == (1 if seed == 0 else 4)
        if seed == 0:
            assert torch.equal(progress.losses, first.members[rate, seed].losses)


def test_a_stack_that_breaks_goes_on_member_by_member(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A model that breaks for good: who was trained before is kept, and the rest is named."""
    reference = write_architecture(
        tmp_path,
        "self.calls = self.calls + self.training\n"
        "        if self.calls > 12: raise KeyError('tired')\n"
        "        return u * self.gain",
        init="self.calls = 0; self.gain = torch.nn.Parameter(torch.ones(1))",
    )
    tasks = {"4": make_data(), "8": make_data(2.0)}
    pack = train_several(tasks, tmp_path / "c", reference, keep_going=True, stack=8)
    assert "a stack of members broke; they go on one at a time: step " in caplog.text
    assert "KeyError: 'tired'" in caplog.text
    for rho, cell in pack.cells.items():
        assert re.search(
            rf"width 4, rho = {rho}, learning rate 0\.01, seed 0: step 13: ", cell.failure
        )


def test_a_stack_that_breaks_in_a_validation_leaves_no_hole_in_the_curves(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Only a stack of so many members validates eight sequences at a time.
    reference = write_architecture(
        tmp_path,
        "if not self.training and len(u) == 8: raise KeyError('eight')\n"
        "        return u * self.gain",
        init="self.gain = torch.nn.Parameter(torch.ones(1))",
    )
    seeds = {"seeds": list(range(16))}
    stacked = train(data, tmp_path / "stacked", reference, stack=32, **seeds)
    assert "a stack of members broke; they go on one at a time: validation at step 1" in caplog.text
    alone = train(data, tmp_path / "alone", reference, **seeds)
    for member, progress in alone.members.items():
        assert_same(stacked.members[member], progress)


def test_stacks_of_a_size_left_to_mfbench_are_halved_where_memory_is_short(
    data: TrainingData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = StackedRun.step

    def short(self: StackedRun) -> None:
        if len(self.members) > 1 + 1 and self.done == 3:
            raise torch.OutOfMemoryError("out of memory")
        step(self)

    monkeypatch.setattr(StackedRun, "step", short)
    with pytest.raises(torch.OutOfMemoryError):
        train(data, tmp_path / "told", stack=4)
    monkeypatch.setattr(pack_module, "stack_size", lambda setting, **about: 4)
    cell = train(data, tmp_path / "free")
    assert {progress.stack_size for progress in cell.members.values()} == {2}
    assert all(progress.finished for progress in cell.members.values())
