"""Training cells: members do not depend on each other, and only new members are trained."""

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

from mfbench.training.cells import CellMember, ensembles
from mfbench.training.checkpoints import Checkpoints
from mfbench.training.data import TrainingData
from mfbench.training.record import weight_name
from mfbench.training.run import Run
from mfbench.training.schedule import validation_steps
from mfbench.training.status import STATUS
from tests.conftest import write_architecture
from tests.training.cells import how, train, train_several, write
from tests.training.conftest import assert_close, assert_same, make_data


def test_members_differ_and_do_not_change_those_that_train_after_them(
    data: TrainingData, tmp_path: Path
) -> None:
    cell = train(data, tmp_path / "all", ensemble_size=1)
    alone = train(data, tmp_path / "one", learning_rates=[0.03], seeds=[1])
    assert_same(cell.members[30, 0.03, 1], alone.members[30, 0.03, 1])
    losses = [tuple(p.losses.tolist()) for p in cell.members.values()]
    assert len(set(losses)) == 4
    # Seeds are paired: the first loss depends on the seed and not on the learning rate.
    assert cell.members[30, 0.01, 0].losses[0] == cell.members[30, 0.03, 0].losses[0]


def test_adding_a_seed_or_a_rate_trains_only_new_members(
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


def test_budgets_train_as_studies_of_their_own(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    alone = [train(data, tmp_path / f"{steps}", steps=steps) for steps in (20, 30)]
    caplog.clear()
    train(data, tmp_path / "both", steps=[20])
    assert how(caplog) == ["trained"] * 4
    both = train_several({4.0: data}, tmp_path / "both", steps=[20, 30])
    assert how(caplog) == ["found finished"] * 4 + ["trained"] * 4
    members = both.cells[4.0].members
    assert list(members) == [*alone[0].members, *alone[1].members]
    for run, progress in [*alone[0].members.items(), *alone[1].members.items()]:
        assert_same(members[run], progress)
    assert len({p.ensemble for p in members.values()}) == 2
    write(tmp_path, both, steps=[20, 30])
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert file["budget"][:].tolist() == [20, 30]
        steps, curves = file["step"][:], file["validation_error"][0]
        validated = [validation_steps(budget, 6) for budget in (20, 30)]
        assert steps.tolist() == sorted({*validated[0], *validated[1]})
        for budget, curve, own in zip((20, 30), curves, validated, strict=True):
            there = np.isin(steps, own)
            assert np.isnan(curve[..., ~there]).all()
            expected = members[budget, 0.03, 1].validation_error
            np.testing.assert_array_equal(curve[1, 1, there], expected)


def test_runs_that_are_not_asked_for_are_absent(data: TrainingData, tmp_path: Path) -> None:
    runs = {4.0: [Run(20, 0.01, 7)], 8.0: [Run(20, 0.1, 7), Run(30, 0.01, 7)]}
    tasks = {4.0: data, 8.0: make_data(2.0)}
    found = train_several(tasks, tmp_path / "c", runs=runs)
    assert {rho: [*cell.members] for rho, cell in found.cells.items()} == runs
    write(tmp_path, found)
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        status = np.array(STATUS)[file["status"][:][..., 0]]
        # Over level, budget and learning rate.
        assert status.tolist() == [
            [["ok", "absent"], ["absent", "absent"]],
            [["absent", "ok"], ["ok", "absent"]],
        ]
        absent = file["status"][:] == STATUS.index("absent")
        for name in ("validation_error", "memory_over_training", "seconds"):
            assert np.isnan(file[name][:][absent]).all()
        assert (file["seconds"][:][~absent] > 0).all()


def test_members_of_other_settings_code_or_data_are_not_used(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def again(**changes: Any) -> list[str]:
        train(data, tmp_path, seeds=[0], learning_rates=[0.01], **changes)
        return how(caplog)

    caplog.set_level(logging.INFO)
    for change in (
        *({}, {"steps": 31}, {"batch_size": 4}, {"code": "d"}, {"gradient_clipping": 0.5}),
        {"name": "gru"},
    ):
        assert again(**change) == ["trained"]
        # How a job runs makes nothing stale.
        assert again(**change, device="cpu", checkpoints={"minutes": 9}) == ["found finished"]
    data.y[0, -1] += 1e-3
    assert again(**change) == ["trained"]


@pytest.mark.parametrize("saves", [50, 51, 91])
def test_a_killed_job_continues_from_its_checkpoints(
    saves: int,
    data: TrainingData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The job is killed while it saves an ensemble, or between two ensembles."""
    whole = train(data, tmp_path / "whole", ensemble_size=2)
    save = Checkpoints.save
    done = 0

    class KilledError(BaseException):
        pass

    def dying(self, *arguments) -> None:
        nonlocal done
        done += 1
        if done == saves:
            raise KilledError
        save(self, *arguments)

    monkeypatch.setattr(Checkpoints, "save", dying)
    with pytest.raises(KilledError):
        train(data, tmp_path / "killed", checkpoints={"minutes": 0}, ensemble_size=2)
    monkeypatch.setattr(Checkpoints, "save", save)
    caplog.set_level(logging.INFO)
    caplog.clear()
    resumed = train(data, tmp_path / "killed", ensemble_size=2)
    happened = how(caplog)
    assert happened.count("found finished") == (0 if saves <= 51 else 2)
    assert sum(what.startswith("went on at step ") for what in happened) == 2
    for member, progress in whole.members.items():
        other = resumed.members[member]
        assert other.ensemble_size in ((1, 2) if saves == 50 else (2,))
        if other.ensemble_size == 2:
            assert_same(progress, other)
        else:  # only one of the two was saved at that step
            np.testing.assert_allclose(other.losses, progress.losses, rtol=1e-4)


def test_a_broken_checkpoint_is_logged_and_its_member_trained_again(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    train(data, tmp_path, seeds=[0, 1], learning_rates=[0.01])
    path, other = (Checkpoints(tmp_path / "rho=4").path(Run(30, 0.01, seed)) for seed in (0, 1))
    whole = path.read_bytes()
    for content in (b"", b"not safetensors at all", whole[:-40]):
        path.write_bytes(content)
        caplog.clear()
        train(data, tmp_path, seeds=[0], learning_rates=[0.01])
        assert f"{path} cannot be read" in caplog.text
        assert how(caplog) == ["trained"]
    path.write_bytes(other.read_bytes())
    train(data, tmp_path, seeds=[0], learning_rates=[0.01])
    assert how(caplog) == ["trained"]
    train(data, tmp_path, seeds=[0], learning_rates=[0.01])
    assert how(caplog) == ["found finished"]


def test_diverged_members_are_recorded_and_the_job_continues(
    data: TrainingData, tmp_path: Path
) -> None:
    data.y[5] = float("nan")
    write(tmp_path, train_several({4.0: data}, tmp_path / "c"))
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert (file["status"][:] == STATUS.index("diverged")).all()
        assert (file["diverged_step"][:] >= 1).all()
        assert file["validation_error"][:].shape == (1, 1, 2, 2, 6)


def test_the_files_of_a_job(data: TrainingData, tmp_path: Path) -> None:
    harder = make_data(2.0)
    pack = train_several({4.0: data, 1e-05: harder}, tmp_path / "c")
    write(tmp_path, pack)
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        file.set_auto_mask(False)
        assert file.state_size == 4
        assert file.parameters == 2 * 16 + 2 * 4 + 3 * 4
        assert file.multiply_adds == 2 * 16 + 2 * 4
        assert "receptive_field" not in file.ncattrs()
        assert file.settings == '{"width": 4}'
        assert file["status"].flag_meanings == "absent ok diverged failed"
        assert file["status"].flag_values.tolist() == [0, 1, 2, 3]
        assert (file["status"][:] == 1).all()
        assert file["rho"][:].tolist() == [4.0, 1e-05]
        assert file["message"][:].tolist() == ["", ""]
        for level, cell in enumerate(pack.cells.values()):
            for i, rate in enumerate([0.01, 0.03]):
                for j, seed in enumerate([0, 1]):
                    at, member = (level, 0, i, j), cell.members[30, rate, seed]
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
    parameter = "layers.0.mixer.U"
    for rho, cell in pack.cells.items():
        name = weight_name(rho, Run(30, 0.03, 1), parameter)
        assert name == f"rho={rho:g}/steps=30,learning_rate=0.03,seed=1/{parameter}"
        expected = cell.members[30, 0.03, 1].best_weights()[parameter]
        np.testing.assert_array_equal(weights[name].numpy(), expected)


def test_all_members_of_a_job_train_together_if_they_fit_and_the_record_shows_it(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = {4.0: data, 8.0: make_data(2.0)}
    caplog.set_level(logging.INFO)
    together = train_several(tasks, tmp_path / "together")
    assert list(together.cells) == [4.0, 8.0]
    assert how(caplog) == ["trained"] * 8
    alone = train_several(tasks, tmp_path / "alone", ensemble_size=1)
    for rho, cell in alone.cells.items():
        for member, progress in cell.members.items():
            other = together.cells[rho].members[member]
            assert (progress.ensemble_size, progress.ensemble) == (1, 0)
            assert other.ensemble_size == 8
            assert_close(other, progress, 1e-4)
    caplog.clear()  # a job with other cells finds its members again
    train_several({8.0: tasks[8.0], 16.0: make_data(3.0)}, tmp_path / "together")
    assert how(caplog) == ["found finished"] * 4 + ["trained"] * 4
    write(tmp_path, train_several(tasks, tmp_path / "halves", ensemble_size=6))
    with netCDF4.Dataset(tmp_path / "a.nc") as file:
        # Eight members train in two ensembles of four, one for each level.
        assert (file["ensemble_size"][:] == 4).all()
        numbers, counts = np.unique(file["ensemble"][:], return_counts=True)
        assert counts.tolist() == [4, 4]
        assert (numbers > 0).all()


def test_an_interrupted_job_forms_the_same_ensembles_again() -> None:
    """The members left after the first ensembles have finished form the same ensembles."""
    data = make_data()
    for count in range(1, 40):
        for size in range(1, 12):
            members = [
                CellMember(
                    *(data, 0.01, seed), steps=9, rho=4.0, key="", checkpoints=Checkpoints("none")
                )
                for seed in range(count)
            ]
            whole = list(ensembles(members, size))
            assert [m for together in whole for m in together] == members
            lengths = [len(together) for together in whole]
            assert max(lengths) <= size
            assert max(lengths) - min(lengths) <= 1
            for i, together in enumerate(whole):
                left = [m for later in whole[i:] for m in later]
                assert next(iter(ensembles(left, size))) == together


def test_finished_members_stay_out_of_new_ensembles(data: TrainingData, tmp_path: Path) -> None:
    first = train(data, tmp_path, seeds=[0], ensemble_size=1)
    more = train(data, tmp_path, seeds=[0, 1, 2], ensemble_size=4)
    for run, progress in more.members.items():
        assert progress.ensemble_size == (1 if run.seed == 0 else 4)
        if run.seed == 0:
            assert torch.equal(progress.losses, first.members[run].losses)


def test_a_model_that_vmap_cannot_run_trains_one_by_one_and_the_log_says_why(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reference = write_architecture(
        tmp_path,
        "return torch.nn.functional.dropout(self.W(u), 0.5, self.training)",
        init="self.W = torch.nn.Linear(width, width)",
    )
    cell = train(data, tmp_path / "c", reference)
    (message,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "trains one member at a time: " in message
    assert "random operation" in message.lower()
    assert {(p.ensemble_size, p.ensemble) for p in cell.members.values()} == {(1, 0)}
    alone = train(data, tmp_path / "a", reference, learning_rates=[0.03], seeds=[1])
    assert_same(cell.members[30, 0.03, 1], alone.members[30, 0.03, 1])


def test_members_that_break_together_continue_one_by_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The model also breaks alone, so the message of each cell names the member that broke."""
    reference = write_architecture(
        tmp_path,
        "self.calls = self.calls + self.training\n"
        "        if self.calls > 12: raise KeyError('tired')\n"
        "        return u * self.gain",
        init="self.calls = 0; self.gain = torch.nn.Parameter(torch.ones(1))",
    )
    tasks = {4.0: make_data(), 8.0: make_data(2.0)}
    pack = train_several(tasks, tmp_path / "c", reference, broken="record")
    assert "8 members broke together and go on one at a time: step 13: KeyError" in caplog.text
    for rho, cell in pack.cells.items():
        assert re.search(
            rf"width 4, rho = {rho:g}, 30 steps, learning rate 0\.01, seed 0: step 13: ",
            cell.message,
        )


def test_members_that_break_in_a_validation_have_complete_curves(
    data: TrainingData, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Only an ensemble of 32 members validates eight sequences at a time.
    reference = write_architecture(
        tmp_path,
        "if not self.training and len(u) == 8: raise KeyError('eight')\n"
        "        return u * self.gain",
        init="self.gain = torch.nn.Parameter(torch.ones(1))",
    )
    short: dict[str, Any] = {"seeds": list(range(16)), "steps": 4, "validations": 2}
    together = train(data, tmp_path / "together", reference, ensemble_size=32, **short)
    assert "broke together and go on one at a time: validation at step 1" in caplog.text
    alone = train(data, tmp_path / "alone", reference, ensemble_size=1, **short)
    for member, progress in alone.members.items():
        assert_same(together.members[member], progress)


def test_the_error_about_memory_says_how_many_members_trained_together(
    data: TrainingData, tmp_path: Path
) -> None:
    reference = write_architecture(
        tmp_path,
        "self.calls = self.calls + self.training\n"
        "        if self.calls > 12: raise torch.OutOfMemoryError('no more')\n"
        "        return u * self.gain",
        init="self.calls = 0; self.gain = torch.nn.Parameter(torch.ones(1))",
    )
    with pytest.raises(torch.OutOfMemoryError, match="no more") as caught:
        train(data, tmp_path / "c", reference)
    assert caught.value.__notes__ == [
        "4 members trained together: raise training.jobs_per_gpu, or set training.ensemble_size "
        "lower"
    ]
