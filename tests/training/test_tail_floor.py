"""The study config/predictions/tcn_tail_floor.yaml shows its cliff at one width and one seed."""

from __future__ import annotations

import pytest
import torch

from mfbench.study.study import read_study
from mfbench.tasks.datasets import read_dataset, write_dataset
from mfbench.training.data import TrainingData
from mfbench.training.trainer import Member, Trainer
from tests.conftest import REPOSITORY, built_here


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    study = read_study(REPOSITORY / "config" / "predictions" / "tcn_tail_floor.yaml")
    path = tmp_path_factory.mktemp("data") / "impulse.nc"
    sizes = study.task.sequences.model_copy(update={"train": 1024, "validation": 1024, "test": 2})
    settings = study.task.model_copy(update={"sequences": sizes})
    write_dataset(path, settings=settings, family="impulse", rho=50.0)
    return TrainingData.of(read_dataset(path), device=torch.device("cpu"))


@pytest.mark.parametrize(("layers", "steps"), [(1, 60), (5, 200), (6, 700)])
def test_the_error_drops_once_the_receptive_field_covers_the_lag(
    task: TrainingData, layers: int, steps: int
) -> None:
    study = built_here(read_study(REPOSITORY / "config" / "predictions" / "tcn_tail_floor.yaml"))
    model = study.models[f"tcn-{layers}-layer{'s' if layers > 1 else ''}"]
    settings = study.training.model_copy(update={"steps": [steps], "validations": 6})
    member = Member(task, learning_rate=0.03, seed=1)
    trainer = Trainer(model.settings, [member], width=1, settings=settings)
    assert trainer.ensemble.linear
    assert trainer.ensemble.model.receptive_field == 2**layers
    trainer.train()
    (done,) = trainer.progress
    # The paper's inputs have a standard deviation of 0.1, and its errors are absolute.
    absolute = done.validation_error[-1] * 0.1**2 * (1 - 50 / 128)
    if layers <= 5:
        assert absolute == pytest.approx(0.00609, rel=0.03)
    else:
        assert absolute < 1e-8
