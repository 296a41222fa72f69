"""Members that are evaluated together, against each of them alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from mfbench.evaluation import group as module
from mfbench.evaluation.member import EvaluationData, measure
from mfbench.models.ensemble import Ensemble
from mfbench.models.registry import registered
from mfbench.study.evaluation import EvaluationSettings
from tests.conftest import architecture_settings, write_architecture
from tests.evaluation.groups import Files, evaluate_files, make_level
from tests.evaluation.tasks import make_model, make_task

ALONE, TOGETHER = 1, None  # memory of a GPU in bytes; tiny models run together on a CPU
SETTINGS = EvaluationSettings(probes=32)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many members were measured at once, call by call."""
    found: list[int] = []

    def noted(ensemble, *given, **options):  # type: ignore[no-untyped-def]
        found.append(len(ensemble))
        return measure(ensemble, *given, **options)

    monkeypatch.setattr(module, "measure", noted)
    return found


def evaluate(reference: str, files: list[Files], share: int | None) -> xr.Dataset:
    settings = architecture_settings(reference)
    return evaluate_files(settings, files, settings=SETTINGS, share=share)


@pytest.mark.parametrize("name", ["rnn", "s4d"])
def test_a_group_is_the_same_together_and_one_by_one(
    name: str, tmp_path: Path, sizes: list[int]
) -> None:
    files = [make_level(tmp_path, name, rho) for rho in (0.3, 0.5)]
    alone = evaluate(name, files, ALONE)
    assert sizes == [1] * 8
    together = evaluate(name, files, TOGETHER)
    assert sizes[8:] == [8]  # of two levels
    evaluate(name, files, 10**10)  # of a GPU, into which all fit: the first one says so
    assert sizes[9:] == [1, 7]
    assert set(alone.variables) == set(together.variables)
    for key, expected in alone.variables.items():
        if expected.dtype.kind == "f":
            # Parts that are about 0 have the rounding errors of the whole, which is about 1.
            np.testing.assert_allclose(
                together[key], expected, rtol=1e-4, atol=1e-6, err_msg=str(key)
            )
        else:
            np.testing.assert_array_equal(together[key], expected, err_msg=str(key))


@pytest.mark.parametrize(
    ("name", "activation"), [*((name, None) for name in registered()), ("s4d", "none")]
)
def test_members_together_are_those_alone_in_float64(name: str, activation: str | None) -> None:
    settings = EvaluationSettings(probes=20, batch_size=32)
    changes = {} if activation is None else {"activation": activation}
    tasks = [make_task(24, sequences=48, rho=rho) for rho in (0.8, 0.8, 0.5)]
    data = [EvaluationData.of(task, settings) for task in tasks]
    seeds = [3, 4, 3]
    models = [make_model(name, seed=seed, **changes) for seed in range(3)]
    together = measure(Ensemble(models), data, settings, seeds=seeds)
    for i, found in enumerate(together):
        (alone,) = measure(Ensemble(models[i : i + 1]), data[i : i + 1], settings, seeds=[seeds[i]])
        assert set(found) == set(alone)
        assert found.pop("generalisation_message") == alone.pop("generalisation_message") == ""
        for key, expected in alone.items():
            np.testing.assert_allclose(
                found[key], expected, rtol=1e-9, atol=1e-12, err_msg=f"{i} {key}"
            )


@pytest.mark.parametrize(
    ("alone_if", "expected", "said"),
    [
        ("True", [1] * 4, "members are evaluated one at a time: "),
        # Only at the longer sequences, so that nothing shows before.
        (
            "u.shape[1] > 16",
            [4, 1, 1, 1, 1],
            "4 members broke together and go on one at a time: ",
        ),
    ],
)
def test_members_that_vmap_refuses_go_one_by_one(
    alone_if: str,
    expected: list[int],
    said: str,
    tmp_path: Path,
    sizes: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    own = write_architecture(
        tmp_path,
        f"return self.gain * u * (float(self.gain.detach()) > -9 if {alone_if} else 1)",
        init="self.gain = torch.nn.Parameter(torch.ones(1))",
    )
    files = [make_level(tmp_path, own, 0.3)]
    caplog.clear()
    together = evaluate(own, files, TOGETHER)
    assert sizes == expected
    assert said in caplog.text
    xr.testing.assert_identical(together, evaluate(own, files, ALONE))
