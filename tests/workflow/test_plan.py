"""What goes into params, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mfbench.study.study import load_study
from mfbench.workflow.plan import (
    check_claim,
    claim,
    evaluation_settings,
    stable,
    study_settings,
    training_settings,
)


def test_params_have_sorted_keys_and_plain_types(study: dict[str, Any]) -> None:
    def check(value: Any) -> None:
        assert type(value) in (str, int, float, bool, type(None), list, dict)
        if isinstance(value, dict):
            assert list(value) == sorted(value)
            for inner in value.values():
                check(inner)
        if isinstance(value, list):
            for inner in value:
                check(inner)

    loaded = load_study(study)
    check(training_settings(loaded, architecture="s4d", width=4))
    check(study_settings(loaded))
    assert stable({"b": (1, 2), "a": 1}) == {"a": 1, "b": [1, 2]}


def test_how_a_job_runs_is_not_among_the_settings(study: dict[str, Any]) -> None:
    before = load_study(study)
    study["training"].update(
        device="cpu", checkpoints={"minutes": 5}, cells_per_job=7, ensemble_size=4
    )
    study["training"]["jobs_per_gpu"] = 2
    study["results"] = "elsewhere"
    after = load_study(study)
    assert training_settings(before, architecture="rnn", width=4) == training_settings(
        after, architecture="rnn", width=4
    )
    assert study_settings(before) == study_settings(after)


def test_the_study_in_the_cube_has_all_defaults_filled_in(study: dict[str, Any]) -> None:
    settings = study_settings(load_study(study))
    assert settings["architectures"]["s4d"]["options"]["dt_min"] == 0.001
    assert settings["kernels"]["impulse"] == [{"memory_length": 4, "rho": "3"}]


def test_what_counts_as_success_is_no_setting_of_an_evaluation(study: dict[str, Any]) -> None:
    before = load_study(study)
    study["evaluation"]["success"] = 0.3
    after = load_study(study)
    one, other = (evaluation_settings(s, architecture="rnn", width=4) for s in (before, after))
    assert one == other
    assert study_settings(after)["evaluation"]["success"] == 0.3


def test_a_results_folder_serves_one_study_file(tmp_path: Path) -> None:
    check_claim(tmp_path / "r", "a.yaml")
    assert not (tmp_path / "r").exists()  # looking leaves nothing behind
    claim(tmp_path / "r", "a.yaml")
    claim(tmp_path / "r", "a.yaml")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".study").touch()  # a machine that went down while it was written
    check_claim(tmp_path / "empty", "a.yaml")
    with pytest.raises(ValueError, match=r"belongs to the study file a\.yaml, not to b\.yaml"):
        claim(tmp_path / "r", "b.yaml")
