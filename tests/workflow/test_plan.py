"""What goes into params, and which job trains which levels."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from mfbench.study.study import load_study
from mfbench.workflow.claim import check_claim, claim
from mfbench.workflow.plan import (
    Listed,
    Settings,
    evaluation_settings,
    levels_of_phase,
    parts,
    study_settings,
    training_settings,
)


def test_params_show_a_digest_of_what_counts_and_lists_their_values() -> None:
    one = Settings("training", {"a": 1, "b": (2,)}, device="cpu")
    other = Settings("training", {"b": [2], "a": 1}, device="cuda")
    assert repr(one) == repr(other)
    assert repr(one).startswith("training settings ")
    assert len(repr(one)) < 40
    assert repr(one) != repr(Settings("training", {"a": 2, "b": [2]}))
    assert json.loads(json.dumps(one)) == {"a": 1, "b": [2], "device": "cpu"} == one
    assert repr(pickle.loads(pickle.dumps(one))) == repr(one)
    shown = Listed("levels of airy", [4.0, 1e-05])
    assert repr(shown) == "levels of airy = [4, 1e-05]"
    assert pickle.loads(pickle.dumps(shown)) == (4.0, 1e-05)
    assert repr(pickle.loads(pickle.dumps(shown))) == repr(shown)


def test_how_a_job_runs_does_not_count(study: dict[str, Any]) -> None:
    study["training"]["steps"] = [12, 24]

    def shown() -> list[str]:
        loaded = load_study(study)
        return [
            repr(training_settings(loaded, architecture="rnn", width=4)),
            repr(evaluation_settings(loaded, architecture="rnn", width=4)),
            repr(study_settings(loaded)),
        ]

    before = shown()
    study["training"].update(
        device="cpu",
        checkpoints={"minutes": 5},
        cells_per_job=7,
        ensemble_size=4,
        jobs_per_gpu=2,
        broken="stop",
    )
    study["results"] = "elsewhere"
    for name in ("steps", "seeds", "learning_rates"):
        study["training"][name].reverse()
    assert shown() == before
    execution = training_settings(load_study(study), architecture="rnn", width=4)["execution"]
    assert (execution["device"], execution["broken"]) == ("cpu", "stop")
    study["evaluation"]["success"] = 0.3  # of these only the cube depends on it
    assert [one == other for one, other in zip(shown(), before, strict=True)] == [True, True, False]


def test_the_study_in_the_cube_has_all_defaults_filled_in(study: dict[str, Any]) -> None:
    study["refine"] = {"levels": 3}
    settings = study_settings(load_study(study))
    assert settings["architectures"]["s4d"]["options"]["dt_min"] == 0.001
    assert settings["kernels"]["impulse"] == [{"family": "impulse", "memory_length": 4, "rho": 3.0}]
    assert settings["refine"] == {"levels": 3}
    assert study_settings(load_study(study), without=("refine",))["refine"] is None


def test_levels_of_the_study_and_of_a_later_phase(study: dict[str, Any]) -> None:
    loaded = load_study(study)
    levels = levels_of_phase(loaded, None)
    assert set(levels) == set(loaded.groups())
    assert levels["rnn", 4, "impulse"] == {3.0: None}
    group = {"architecture": "rnn", "width": 4, "kernel": "impulse"}
    runs = [[24, 0.01, 0]]
    added = {"groups": [{**group, "levels": [{"rho": 3.0, "runs": runs}, {"rho": 5.0}]}]}
    assert levels_of_phase(loaded, added) == {("rnn", 4, "impulse"): {3.0: runs, 5.0: None}}


@pytest.mark.parametrize(
    ("count", "most", "sizes"),
    [(0, 4, []), (1, 4, [1]), (4, 4, [4]), (5, 4, [3, 2]), (7, 3, [3, 2, 2]), (3, 1, [1, 1, 1])],
)
def test_levels_are_shared_among_few_jobs(count: int, most: int, sizes: list[int]) -> None:
    levels = [float(i) for i in range(count)]
    found = parts(levels, most=most)
    assert [len(part) for part in found] == sizes
    assert [level for part in found for level in part] == levels


def test_a_results_folder_serves_one_study_file(tmp_path: Path) -> None:
    results, marker = tmp_path / "r", tmp_path / "r/.study"
    check_claim(results, "a.yaml")
    assert not results.exists()  # looking leaves nothing behind
    claim(results, "a.yaml")
    claim(results, "a.yaml")
    with pytest.raises(ValueError, match=r"belongs to the study file a\.yaml, not to b\.yaml"):
        claim(results, "b.yaml")
    marker.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=rf"{marker}: corrupt"):
        claim(results, "a.yaml")
    marker.write_bytes(b"")  # a machine that went down while it was written
    check_claim(results, "a.yaml")
