"""A study is checked as a whole, and errors name the key and what is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mfbench.study.study import StudyError, load_study, read_study
from mfbench.workflow.plan import study_settings
from tests.conftest import REPOSITORY, built_here, small_study

STUDIES = [REPOSITORY / "config.yaml", *sorted((REPOSITORY / "config").glob("**/*.yaml"))]


def merged(path: str, value: Any) -> dict[str, Any]:
    """A small study with one key set, by its dotted path."""
    study = small_study()
    *parents, last = path.split(".")
    section: Any = study
    for key in parents:
        section = section.setdefault(key, {})
    section[last] = value
    return study


@pytest.mark.parametrize("path", STUDIES, ids=lambda p: p.name)
def test_shipped_studies_are_valid(path: Path) -> None:
    assert built_here(read_study(path)).groups()


def test_shipped_studies_never_share_a_results_folder() -> None:
    folders = [read_study(path).results for path in STUDIES]
    assert len(set(folders)) == len(folders)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "traning",
            {},
            r"traning: unknown key; allowed here: architectures, diagnose, evaluation, floors",
        ),
        ("training.stepps", 3, r"stepps: unknown key; .*: batch_size, .*; did you mean steps\?"),
        ("training.learning_rates", 0.01, r"learning_rates = 0\.01: write a list: \[0\.01\]"),
        ("training.optimiser.betas", 0.9, r"betas = 0\.9: write a list of numbers"),
        ("architectures.own", "own.py:Own", r"own = 'own\.py:Own': write {model: own\.py:Own}"),
        ("task", 7, r"task = 7: must be a section, with keys such as clock, input, length"),
        ("architectures.rnn.wdth", 3, r"architectures\.rnn\.wdth: unknown key; .*widths"),
        ("kernels.airy", {"rhos": [1]}, r"kernels\.airy\.rhos: unknown key; .*, rho, values"),
        ("task.input", {"standard_deviation": 0.001}, r"standard_deviation: unknown key"),
        ("kernels.mine", {"family": "mine.py", "rho": [1]}, r"no family: give mine\.py:FAMILY"),
        ("kernels.mine", {"family": "a.py:F", "rho": [1]}, r"kernels\.mine: no file 'a\.py'"),
        ("kernels.mine", {"values": "mine.npy"}, r"kernels\.mine: no file 'mine\.npy'"),
        ("kernels.mine", {"values": "mine.csv"}, r"'mine\.csv' must be a \.npy or NetCDF"),
        ("kernels.mine", {"values": "a.npy", "family": "airy"}, r"give either family or values"),
        ("kernels.airy", {"family": "impulse", "rho": [1]}, r"give impulse another name"),
        ("training.device", "gpu", r"training\.device = 'gpu': .*'auto', 'cpu' or 'cuda'"),
        ("training.cells_per_job", 0, r"cells_per_job: 0 is neither auto nor a positive whole"),
        ("training.cells_per_job", "all", r"cells_per_job: 'all' is neither auto nor a positive"),
        ("training.steps", 0, r"training\.steps\[0\] = 0: .*greater than 0"),
        ("architectures.foo", {"model": "mine.py"}, r"names a file but no class: .*mine\.py:Class"),
        ("training.seeds", [1, 1], r"training\.seeds: listed more than once: 1"),
        ("match", {"parameters": 100}, r"match: it has no effect, because all .* list widths"),
        ("training.seeds", [], r"training\.seeds = \[\]: list at least one value"),
        ("training.seeds", 3, r"training\.seeds = 3: write a list: \[0, 1, 2\]"),
        ("pilot", {"seed": 1}, r"pilot\.seed: 1 is one of training\.seeds"),
        ("pilot", {"keep": 2}, r"pilot\.keep: 2 must be less than the number of .* which is 2"),
        ("training.batch_size", 33, r"training\.batch_size: 33 is more than .*train = 32"),
        ("task.scored_from", 16, r"scored_from = 16 leaves nothing to score in 16 steps"),
        ("name", "a/b", r"name = 'a/b'"),
        ("kernels.gauss", {"rho": [1]}, r"kernels\.gauss: no kernel family named 'gauss'"),
        ("kernels.exponential", {"rho": [1.5]}, r"kernels\.exponential: rho = 1\.5 is not allowed"),
        ("kernels.impulse", {"rho": [16]}, r"kernels\.impulse: .*outside the sequence"),
        ("kernels.impulse", {"rho": [8]}, r"rho = 8 has memory length 9, .* at most 8 is allowed"),
        ("kernels.impulse", {"rho": [2.5]}, r"kernels\.impulse: rho = 2\.5 .* whole number"),
        ("kernels.impulse", {"rho": [2, 2.0]}, r"kernels\.impulse\.rho: listed more than once"),
        ("kernels.airy", {"memory_length": [9]}, r"memory_length = 9 is longer than half"),
        ("kernels.airy", {}, r"kernels\.airy: give either rho"),
        ("kernels.airy", {"rho": [3], "memory_length": [4]}, r"kernels\.airy: give either rho"),
        (
            "architectures.foo",
            {},
            r"architectures\.foo\.model: no architecture named 'foo'",
        ),
        ("architectures.foo", {"model": "no.py:Foo"}, r"no file 'no\.py'"),
        ("architectures.foo", {"model": "~/a.py:Foo"}, r"no file .*; ~ and \$ are not expanded"),
        ("architectures.rnn", {"activation": None}, r"activation: null is not allowed"),
        ("training.schedule", None, r"training\.schedule = None"),
        ("training.seeds", [0, 2**63], r"training\.seeds\[1\] = 9223372036854775808"),
        ("training.steps", True, r"training\.steps\[0\] = True"),
        ("task.length", 16384, r"task\.length: 16384 is more than 4096 steps"),
        ("results", "$SCRATCH/a", r"results: '\$SCRATCH/a': write it in full"),
    ],
)
def test_a_bad_key_or_value_is_named(path: str, value: Any, expected: str) -> None:
    with pytest.raises(StudyError, match=expected) as caught:
        load_study(merged(path, value), origin="my.yaml")
    assert str(caught.value).startswith("my.yaml is not a valid study:")


def test_all_problems_are_reported_at_once() -> None:
    study = merged("training.stepps", 3)
    study["nme"] = 1
    with pytest.raises(StudyError) as caught:
        load_study(study)
    assert "stepps" in str(caught.value)
    assert "nme" in str(caught.value)


def test_defaults_follow_from_what_is_given() -> None:
    study = load_study(small_study())
    assert study.task.scored_from == 8
    assert study.results == "results/small"
    assert study.architectures["rnn"].model == "rnn"


def test_levels_are_sorted_from_easy_to_hard() -> None:
    for rho in ([0.4, 0.6, 0.5], [0.6, 0.5, 0.4]):
        study = load_study(merged("kernels.exponential", {"rho": rho}))
        assert [float(v.rho) for v in study.levels("exponential")] == [0.4, 0.5, 0.6]
    study = load_study(merged("kernels.polynomial", {"rho": [2.0, 1.9, 2.1]}))
    assert [float(v.rho) for v in study.levels("polynomial")] == [2.1, 2.0, 1.9]


def test_an_architecture_changes_only_what_it_names_of_the_training() -> None:
    content = merged("training.optimiser", {"epsilon": 1e-6})
    content["architectures"] = {
        "rnn": {},
        "gru": {"training": {"optimiser": {"betas": [0.8, 0.9]}}},
    }
    study = load_study(content)
    assert study.training_of("rnn") == study.training
    of_gru = study.training_of("gru")
    assert (of_gru.optimiser.betas, of_gru.optimiser.epsilon) == ((0.8, 0.9), 1e-6)
    assert of_gru.steps == study.training.steps
    kept = study_settings(built_here(study))["architectures"]["gru"]["training"]
    assert kept == {"optimiser": {"betas": [0.8, 0.9]}}


def test_an_architecture_cannot_change_the_axes_of_the_cube() -> None:
    with pytest.raises(StudyError, match=r"gru\.training\.seeds: unknown key; allowed here: loss"):
        load_study(merged("architectures.gru", {"training": {"seeds": [3]}}))
