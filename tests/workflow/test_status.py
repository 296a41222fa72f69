"""Each cell of a study has one state, which follows from its files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import netCDF4
import pytest

from mfbench.files import write_json
from mfbench.study.study import Study, load_study
from mfbench.workflow.status import STATES, CellStatus, StudyStatus, study_status
from tests.conftest import small_study
from tests.results import FAILED, OK, Results


def cell(status: StudyStatus, architecture: str, kernel: str, rho: float) -> CellStatus:
    wanted = (architecture, kernel, rho)
    (found,) = [c for c in status.cells if (c.architecture, c.kernel, c.rho) == wanted]
    return found


def counts(study: Study) -> dict[str, int]:
    """What there is of each state, without zeros."""
    found = study_status(study).counts()["", ""]
    assert found["cells"] == sum(found[state] for state in STATES)
    return {key: n for key, n in found.items() if n and key != "cells"}


def changed(**sections: dict[str, Any]) -> Study:
    study = small_study()
    return load_study(study | {key: {**study.get(key, {}), **v} for key, v in sections.items()})


def test_files_tell_every_state(results: Results, easy: float, hard: float) -> None:
    assert counts(results.study) == {"missing": 6}
    assert not Path(results.study.results).exists()
    diverged = ["ok", "diverged", "ok", "diverged"]
    results.training("rnn", "exponential", {easy: OK, hard: diverged})
    results.training("s4d", "exponential", {easy: FAILED}, message="ValueError: wrong shape")
    with pytest.raises(MemoryError), results.job("s4d", "exponential", hard):
        raise MemoryError("out of memory")
    with pytest.raises(KeyboardInterrupt), results.job("s4d", "impulse", 3.0):
        raise KeyboardInterrupt
    with results.job("rnn", "impulse", 3.0):
        status = study_status(results.study)
        assert counts(results.study) == {
            "done": 1,
            "diverged": 1,
            "diverged_members": 2,
            "failed": 2,
            "running": 1,
            "missing": 1,
            "interrupted": 1,
        }
    assert not status.problems
    assert cell(status, "rnn", "exponential", hard).diverged_members == 2
    assert cell(status, "s4d", "exponential", easy).message == "ValueError: wrong shape"
    assert cell(status, "s4d", "exponential", hard).message == "MemoryError: out of memory"
    log = "results/small/logs/training/study/s4d/width=4/exponential/part=1.log"
    assert [c.log for c in status.of("failed")] == [log, log]
    assert cell(status, "rnn", "impulse", 3.0).job["pid"] == os.getpid()
    assert [str(c) for c in status.of("interrupted")] == ["s4d, width 4, impulse, rho = 3"]


def test_a_record_counts_whatever_its_job_says_and_an_evaluation_before_it(
    results: Results,
) -> None:
    record = results.training("rnn", "impulse", {3.0: OK})
    with results.job("rnn", "impulse", 3.0):
        assert counts(results.study) == {"done": 1, "missing": 5}
        record.unlink()  # as Snakemake does before it runs a job again
        assert counts(results.study) == {"running": 1, "missing": 5}
    results.training("rnn", "impulse", {3.0: OK})
    results.evaluation("rnn", "impulse", {3.0: FAILED}, message="breaks at length 64")
    found = cell(study_status(results.study), "rnn", "impulse", 3.0)
    assert (found.state, found.message) == ("failed", "breaks at length 64")
    assert found.log == "results/small/logs/evaluation/study/rnn/width=4/impulse.log"


@pytest.mark.usefixtures("results")
def test_cells_count_in_whichever_part_they_were_trained(easy: float, hard: float) -> None:
    results = Results(changed(training={"cells_per_job": 1}))
    results.training("rnn", "exponential", {easy: OK, hard: OK}, part=1)
    results.training("s4d", "exponential", {hard: FAILED}, part=2)
    assert counts(results.study) == {"done": 2, "failed": 1, "missing": 3}
    (failed,) = study_status(results.study).of("failed")
    assert failed.log.endswith("s4d/width=4/exponential/part=2.log")


@pytest.mark.parametrize(
    ("sections", "outdated"),
    [
        ({"training": {"steps": 13}}, 2),
        ({"task": {"seed": 5}}, 2),
        ({"task": {"seed": 5}, "training": {"seeds": [0, 1, 2]}}, 2),
        ({"training": {"device": "cpu", "broken": "stop"}}, 0),
        ({"training": {"learning_rates": [0.01, 0.003], "seeds": [1, 0]}}, 0),
    ],
)
def test_only_results_of_the_same_settings_count(
    results: Results, sections: dict[str, Any], outdated: int
) -> None:
    results.training("rnn", "impulse", {3.0: OK})
    with pytest.raises(ValueError, match="old"), results.job("s4d", "impulse", 3.0):
        raise ValueError("old")
    found = counts(changed(**sections))
    if outdated:
        assert found == {"missing": 6, "outdated": 1}
    else:
        assert found == {"done": 1, "failed": 1, "missing": 4}


@pytest.mark.parametrize(
    ("training", "to_train"),
    [
        ({"seeds": [0, 1, 2]}, 2),
        ({"learning_rates": [0.003, 0.01, 0.03], "seeds": [0, 1, 2]}, 5),
        ({"steps": [12, 24]}, 4),
        ({"seeds": [1, 2]}, 2),
    ],
)
def test_members_that_are_added_leave_the_others_as_they_are(
    results: Results, training: dict[str, Any], to_train: int
) -> None:
    results.training("rnn", "impulse", {3.0: OK})
    study = changed(training=training, kernels={"impulse": {"rho": [3, 5]}})
    assert counts(study) == {"missing": 7, "extended": 1, "members_to_train": to_train}
    (found,) = study_status(study).of("extended")
    assert (found.rho, found.members_to_train) == (3.0, to_train)


def test_an_added_seed_is_none_of_the_pilots(results: Results) -> None:
    """The pilot has one level and a seed of its own; of the study, only some rates are missing."""
    pilot = {"pilot": {"seed": 9, "keep": 1}, "kernels": {"impulse": {"rho": [3, 5]}}}
    before = Results(changed(**pilot))
    before.training("rnn", "impulse", {3.0: OK}, phase="pilot")
    before.training("rnn", "impulse", {3.0: OK, 5.0: OK})
    assert counts(before.study) == {"done": 3, "missing": 9, "evaluated": 1}
    after = changed(**pilot, training={"seeds": [0, 1, 2]})
    found = {"done": 1, "missing": 9, "evaluated": 1, "extended": 2, "members_to_train": 2}
    assert counts(after) == found


def test_unreadable_files_are_named_and_their_cells_missing(
    results: Results, easy: float, hard: float
) -> None:
    results.training("rnn", "impulse", {3.0: OK})
    truncated = results.training("rnn", "exponential", {easy: OK, hard: OK})
    truncated.write_bytes(truncated.read_bytes()[: truncated.stat().st_size // 2])
    foreign = results.training("s4d", "exponential", {easy: OK, hard: OK})
    with netCDF4.Dataset(foreign, "w") as file:
        file.title = "somebody's"
    state = results.state("s4d", "impulse", 3.0)
    state.parent.mkdir(parents=True)
    state.write_text("{")
    assert counts(results.study) == {"done": 1, "missing": 5, "unreadable": 4}
    problems = study_status(results.study).problems
    assert {p.partition(": ")[0] for p in problems} == set(map(str, (truncated, foreign, state)))


def test_a_cell_is_evaluated_as_it_is_trained_now(
    results: Results, easy: float, hard: float
) -> None:
    def evaluated(study: Study = results.study) -> int:
        return counts(study).get("evaluated", 0)

    results.training("rnn", "exponential", {easy: OK, hard: OK})
    assert evaluated() == 0
    results.evaluation("rnn", "exponential", {easy: OK})
    assert evaluated() == 1
    results.evaluation("rnn", "exponential", {easy: OK, hard: OK})
    assert evaluated() == 2
    assert evaluated(changed(evaluation={"probes": 17})) == 0
    assert evaluated(changed(evaluation={"success": 0.2})) == 2  # only the cube depends on it
    results.training("rnn", "exponential", {easy: OK, hard: OK})
    assert evaluated() == 0


def test_levels_of_a_later_phase_count_once_they_are_known(results: Results) -> None:
    study = changed(refine={"levels": 2})
    assert counts(study) == {"missing": 6}
    listing = results.paths.file("cells", phase="refine")
    levels = [{"memory_length": 6, "rho": 5.0}, {"memory_length": 7, "rho": 6.0}]
    group = {"architecture": "rnn", "width": 4, "kernel": "impulse", "levels": levels}
    write_json(listing, {"groups": [group]})
    results.training("rnn", "impulse", {5.0: OK, 6.0: OK}, phase="refine")
    results.evaluation("rnn", "impulse", {5.0: OK}, phase="refine")
    assert counts(study) == {"done": 2, "missing": 6, "evaluated": 1}
    assert cell(study_status(study), "rnn", "impulse", 5.0).phase == "refine"
    assert counts(results.study) == {"missing": 6}
    Path(listing).write_text('[{"width": 4}]')
    assert counts(study) == {"missing": 6}
    assert listing in study_status(study).problems[0]


def test_nothing_is_changed(results: Results, easy: float) -> None:
    results.training("rnn", "impulse", {3.0: OK})
    results.evaluation("rnn", "impulse", {3.0: OK})
    with pytest.raises(SystemExit), results.job("rnn", "exponential", easy):
        raise SystemExit

    def listing() -> list[Any]:
        files = sorted(Path(results.study.results).rglob("*"))
        return [(p, p.stat().st_mtime_ns, p.is_file() and p.read_bytes()) for p in files]

    before = listing()
    study_status(results.study)
    assert listing() == before
