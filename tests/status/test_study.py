"""Each cell of a study is counted once, as its files say."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import netCDF4
import pytest

from mfbench.files import write_json
from mfbench.status import study as module
from mfbench.status.state import STATES, Cell, StudyStatus, total
from mfbench.status.study import Known, study_status
from mfbench.study.study import Study
from mfbench.workflow.job_state import FRESH, job_state
from tests.conftest import small_study
from tests.status.results import EARLY, FAILED, OK, Results, loaded


def cell(status: StudyStatus, architecture: str, kernel: str, rho: str) -> Cell:
    (found,) = [
        c for c in status.cells if (c.architecture, c.kernel, c.rho) == (architecture, kernel, rho)
    ]
    return found


def tally(status: StudyStatus) -> dict[str, int]:
    counts = total(status.counts().values())
    assert counts["cells"] == sum(counts[state] for state in STATES) == len(status.cells)
    return {key: n for key, n in counts.items() if n and key not in ("cells", "groups")}


def interrupted(path: Path) -> None:
    """A job that was killed: its last heartbeat is old."""
    with job_state(path):
        content = path.read_text()
    path.write_text(content)
    os.utime(path, (path.stat().st_mtime - FRESH - 60,) * 2)


def test_of_a_study_that_has_not_run_everything_is_missing(results: Results) -> None:
    status = study_status(results.study)
    assert tally(status) == {"missing": 6}
    assert not status.problems
    assert not results.folder.exists()
    assert [(c.architecture, c.kernel) for c in status.cells] == [
        *[("rnn", "exponential")] * 2,
        ("rnn", "impulse"),
        *[("s4d", "exponential")] * 2,
        ("s4d", "impulse"),
    ]


def test_every_state_is_told_by_its_files(results: Results, easy: str, hard: str) -> None:
    results.training("rnn", "exponential", {easy: OK, hard: ["ok", "diverged", "ok", "diverged"]})
    message = "ValueError: gives (2, 3) for (2, 3, 1)"
    results.training("s4d", "exponential", {easy: FAILED}, failure={easy: message})
    with pytest.raises(MemoryError), job_state(results.job("s4d", "exponential", hard)):
        raise MemoryError("out of memory")
    interrupted(results.job("s4d", "impulse", "3"))
    with job_state(results.job("rnn", "impulse", "3")):
        status = study_status(results.study)
    assert tally(status) == {
        "done": 1,
        "diverged": 1,
        "diverged_members": 2,
        "failed": 2,
        "running": 1,
        "missing": 1,
        "interrupted": 1,
    }
    assert status.members == 4
    assert cell(status, "rnn", "exponential", hard).diverged_members == 2
    assert cell(status, "s4d", "exponential", easy).message == message
    assert cell(status, "s4d", "exponential", hard).message == "MemoryError: out of memory"
    for rho in (easy, hard):
        log = results.folder / f"logs/training/s4d/width=4/exponential/rho={rho}.log"
        assert cell(status, "s4d", "exponential", rho).log == str(log)
    assert cell(status, "rnn", "impulse", "3").job["pid"] == os.getpid()
    assert cell(status, "s4d", "impulse", "3").reason == "interrupted"
    assert not status.problems


def test_a_job_of_several_levels_runs_all_of_them(results: Results, easy: str, hard: str) -> None:
    with job_state(results.job("rnn", "exponential", f"{easy}_{hard}")):
        assert tally(study_status(results.study)) == {"running": 2, "missing": 4}


def test_a_finished_record_counts_whatever_its_job_says(results: Results) -> None:
    path = results.training("rnn", "impulse", {"3": OK})
    with job_state(results.job("rnn", "impulse", "3")):  # about to remove its state
        assert cell(study_status(results.study), "rnn", "impulse", "3").state == "done"
        path.unlink()  # as Snakemake does before it runs a job again
        assert cell(study_status(results.study), "rnn", "impulse", "3").state == "running"


def test_a_failed_job_that_runs_again_is_running(results: Results, easy: str, hard: str) -> None:
    with (
        pytest.raises(ValueError, match="first"),
        job_state(results.job("rnn", "exponential", f"{easy}_{hard}")),
    ):
        raise ValueError("first")
    interrupted(results.job("rnn", "exponential", hard))  # another size of packs, stopped
    with job_state(results.job("rnn", "exponential", easy)):
        status = study_status(results.study)
    assert cell(status, "rnn", "exponential", easy).state == "running"
    last = cell(status, "rnn", "exponential", hard)
    assert (last.state, last.reason) == ("missing", "interrupted")


def test_what_other_settings_made_is_missing(tmp_path: Path, results: Results) -> None:
    results.training("rnn", "impulse", {"3": OK})
    settings = {"settings": {"training": {"steps": 12}}}
    with pytest.raises(ValueError, match="old"):  # noqa: SIM117
        with job_state(results.job("s4d", "impulse", "3"), **settings):
            raise ValueError("old")
    assert tally(study_status(results.study))["done"] == 1
    training = small_study()["training"]
    status = study_status(loaded(tmp_path, training={**training, "steps": 13}))
    assert tally(status) == {"missing": 6, "outdated": 1}
    # How a job runs makes no difference.
    again = study_status(loaded(tmp_path, training={**training, "device": "cpu"}))
    assert tally(again)["done"] == 1


@pytest.mark.parametrize("change", [{"length": 32}, {"seed": 5}])
def test_what_another_task_made_is_missing(
    tmp_path: Path, results: Results, change: dict[str, int]
) -> None:
    results.training("rnn", "impulse", {"3": OK})
    other = Results(loaded(tmp_path, task={**small_study()["task"], **change}))
    assert tally(study_status(other.study)) == {"missing": 6, "outdated": 1}
    other.training("rnn", "impulse", {"3": OK})
    assert tally(study_status(other.study)) == {"missing": 5, "done": 1}


def test_a_level_that_snakemake_would_train_again_is_missing(
    tmp_path: Path, easy: str, hard: str
) -> None:
    """A pack with a level that the study has no more is not taken for the ones that it has."""
    results = Results(loaded(tmp_path))
    path = results.training("rnn", "exponential", {easy: OK, hard: OK})
    less = {**small_study()["kernels"], "exponential": {"rho": [float(easy)]}}
    assert tally(study_status(loaded(tmp_path, kernels=less))) == {"missing": 4}
    results.training("rnn", "exponential", {easy: OK})
    assert tally(study_status(loaded(tmp_path, kernels=less))) == {"missing": 3, "done": 1}
    path.unlink()
    assert tally(study_status(results.study)) == {"missing": 5, "done": 1}


def test_broken_files_are_named_and_their_cells_missing(
    results: Results, easy: str, hard: str
) -> None:
    good = results.training("rnn", "impulse", {"3": OK})
    truncated = results.training("rnn", "exponential", {easy: OK})
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])
    foreign = results.training("rnn", "exponential", {hard: OK})
    with netCDF4.Dataset(foreign, "w") as file:
        file.title = "somebody's"
    misnamed = results.training("s4d", "exponential", {easy: OK})
    wrong = misnamed.with_name(f"rho={hard}.nc")
    shutil.copy(misnamed, wrong)
    absent = results.training("s4d", "impulse", {"3": ["ok", "absent", "ok", "ok"]})
    misnamed.with_suffix(".safetensors").unlink()
    state = results.job("s4d", "impulse", "3")
    state.parent.mkdir(parents=True)
    state.write_text("{")
    stray = results.folder / "jobs/rho=3.json"
    stray.write_text('{"state": "failed"}')
    status = study_status(results.study)
    assert tally(status) == {"done": 1, "missing": 5, "unreadable": 5}
    named = {path: message for path, _, message in (p.partition(": ") for p in status.problems)}
    assert named.keys() == {
        *map(str, (truncated, foreign, misnamed, wrong, absent, state, stray)),
    }
    assert "weights" in named[str(misnamed)]
    assert f"holds rho = {float(easy)}" in named[str(wrong)]
    assert "status" in named[str(absent)]
    assert str(good) not in named


def test_files_that_vanish_while_they_are_read_are_missing(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    results.training("rnn", "impulse", {"3": OK})
    results.training("s4d", "impulse", {"3": OK})
    read = module.read_record

    def vanishing(path: str, kind: Any) -> Any:
        if "rnn" in path:
            Path(path).unlink(missing_ok=True)
        return read(path, kind)

    monkeypatch.setattr(module, "read_record", vanishing)
    status = study_status(results.study)
    assert tally(status) == {"done": 1, "missing": 5}
    assert not status.problems


def test_a_job_that_ends_while_files_are_read_is_done(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state goes and its record comes: looked at in the other order, it would be neither."""
    state, read = job_state(results.job("rnn", "impulse", "3")), module.read_states
    state.__enter__()

    def ending(folder: Path) -> Any:
        found = read(folder)
        results.training("rnn", "impulse", {"3": OK})
        state.__exit__(None, None, None)
        return found

    monkeypatch.setattr(module, "read_states", ending)
    assert cell(study_status(results.study), "rnn", "impulse", "3").state == "done"


def test_an_evaluation_counts_when_it_holds_what_is_trained_now(
    tmp_path: Path, results: Results, easy: str, hard: str
) -> None:
    def evaluated(study: Study = results.study) -> bool:
        status = study_status(study)
        assert not any(done for g, done in status.evaluated.items() if g != group)
        return status.evaluated[group]

    group = ("rnn", 4, "exponential")
    results.training("rnn", "exponential", {easy: OK})
    assert not evaluated()
    results.evaluation("rnn", "exponential", {easy: OK})
    assert not evaluated()  # a level has not been trained
    results.training("rnn", "exponential", {hard: OK})
    assert not evaluated()  # or not been evaluated
    results.evaluation("rnn", "exponential", {easy: OK, hard: OK})
    assert evaluated()
    results.evaluation("rnn", "exponential", {easy: OK, hard: OK}, written=EARLY)
    assert not evaluated()  # trained again since
    results.evaluation("rnn", "exponential", {easy: OK, hard: OK})
    assert not evaluated(loaded(tmp_path, evaluation={"probes": 17}))
    # What counts as success is a matter of the cube.
    assert evaluated(loaded(tmp_path, evaluation={"probes": 16, "success": 0.2}))
    assert total(study_status(results.study).counts().values())["groups_evaluated"] == 1


def test_a_cell_that_fails_in_its_evaluation_is_failed(results: Results) -> None:
    results.training("rnn", "impulse", {"3": OK})
    results.evaluation("rnn", "impulse", {"3": FAILED}, failure={"3": "breaks at length 64"})
    found = cell(study_status(results.study), "rnn", "impulse", "3")
    assert (found.state, found.message) == ("failed", "breaks at length 64")
    assert found.log == str(results.folder / "logs/evaluation/rnn/width=4/impulse.log")


def test_levels_that_the_second_pass_adds_count_once_they_are_known(tmp_path: Path) -> None:
    results = Results(loaded(tmp_path, refine={"levels": 2}))
    results.training("rnn", "impulse", {"3": OK})
    results.evaluation("rnn", "impulse", {"3": OK})
    assert len(study_status(results.study).cells) == 6
    levels = [{"memory_length": 6, "rho": "5"}, {"memory_length": 7, "rho": "6"}]
    group = {"architecture": "rnn", "width": 4, "kernel": "impulse", "levels": levels}
    listing = results.folder / "refined_levels.json"
    write_json(listing, {"groups": [group]})
    results.training("rnn", "impulse", {"5": OK})
    status = study_status(results.study)
    assert tally(status) == {"done": 2, "missing": 6}
    assert [(c.rho, c.added, c.state) for c in status.cells if c.kernel == "impulse"][:3] == [
        ("3", False, "done"),
        ("5", True, "done"),
        ("6", True, "missing"),
    ]
    results.training("rnn", "impulse", {"6": OK})
    assert "groups_evaluated" not in tally(study_status(results.study))
    results.evaluation("rnn", "impulse", {"5": OK, "6": OK}, ending=".refined.nc")
    assert tally(study_status(results.study)) == {"done": 3, "missing": 5, "groups_evaluated": 1}
    # A study that asks for no second pass has no such levels.
    assert len(study_status(loaded(tmp_path)).cells) == 6
    listing.write_text('[{"width": 4}]')
    status = study_status(results.study)
    assert len(status.cells) == 6
    assert [p.partition(":")[0] for p in status.problems] == [str(listing)]


def test_what_is_known_is_read_again_only_where_it_has_changed(
    results: Results, easy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: Known = {}
    results.training("rnn", "impulse", {"3": OK})
    changing = results.training("rnn", "exponential", {easy: OK})
    study_status(results.study, known=known)
    read, paths = module.read_record, []

    def counted(path: str, kind: Any) -> Any:
        paths.append(path)
        return read(path, kind)

    monkeypatch.setattr(module, "read_record", counted)
    assert tally(study_status(results.study, known=known))["done"] == 2
    assert paths == []
    results.training("s4d", "impulse", {"3": OK})
    new = changing.with_name("new.nc")
    changing.rename(new)
    results.training("rnn", "exponential", {easy: ["diverged"] * 4})
    assert tally(study_status(results.study, known=known)) == {
        "done": 2,
        "diverged": 1,
        "diverged_members": 4,
        "missing": 3,
    }
    assert {Path(p).parts[-4] for p in paths if "training" in p} == {"rnn", "s4d"}


def test_processes_find_what_one_finds(
    results: Results, easy: str, hard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MANY", 1)
    results.training("rnn", "exponential", {easy: OK, hard: ["ok", "ok", "ok", "diverged"]})
    results.training("s4d", "impulse", {"3": OK}).write_text("broken")
    assert study_status(results.study, processes=2) == study_status(results.study)


def test_nothing_is_changed(results: Results, easy: str) -> None:
    results.training("rnn", "impulse", {"3": OK})
    results.evaluation("rnn", "impulse", {"3": OK})
    interrupted(results.job("rnn", "exponential", easy))

    def listing() -> list[Any]:
        return [
            (p, p.stat().st_mtime_ns, p.read_bytes() if p.is_file() else b"")
            for p in sorted(results.folder.rglob("*"))
        ]

    before = listing()
    study_status(results.study)
    assert listing() == before
