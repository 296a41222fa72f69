"""Every architecture and every kernel family, from the dataset to the cube.

A cover of `config/zoo.yaml`: each architecture meets each kind of task, and so does each family.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

import mfbench as mf
from mfbench.models.registry import registered
from mfbench.study.study import read_study
from mfbench.tasks.kernels.lookup import families
from tests.api.results import make_results
from tests.conftest import REPOSITORY, architecture_settings

ZOO = read_study(REPOSITORY / "config" / "zoo.yaml")
KINDS = [{}, {"marked": 0.5, "clock": "marked"}]


def test_the_zoo_has_all_there_is() -> None:
    assert sorted(ZOO.architectures) == sorted(registered())
    assert sorted(ZOO.kernels) == sorted(families())


@pytest.mark.parametrize(
    ("kind", "family"), list(product(range(len(KINDS)), range(len(ZOO.kernels))))
)
def test_each_architecture_and_family_reaches_the_cube(
    kind: int, family: int, tmp_path: Path
) -> None:
    kernel = list(ZOO.kernels)[family]
    names = [
        n for i, n in enumerate(ZOO.architectures) if (i + 3 * kind) % len(ZOO.kernels) == family
    ]
    paths = make_results(
        tmp_path / "results" / "zoo",
        ZOO.task.model_copy(update=KINDS[kind]),
        {name: architecture_settings(name) for name in names},
        kernel=kernel,
        rhos=[ZOO.levels(kernel)[0].rho],
        width=8,
        training=ZOO.training,
        evaluation=ZOO.evaluation,
    )
    cube = mf.open(paths.file("benchmark"))
    assert cube.message.values.ravel().tolist() == [""] * len(names)
    assert (cube.status == "ok").all()
    assert cube.relative_mse.notnull().all()
