"""Which jobs run again, proved on real plans of the finished study: 3 groups of 2 cells each."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.workflow.conftest import Project

BEHIND_THE_CUBE = {"benchmark_cube": 1, "report_page": 1}
EVALUATION = {"evaluate": 3, **BEHIND_THE_CUBE}
TRAINING = {"train": 3, **EVALUATION}
ONE_MODEL = {"train": 1, "evaluate": 1, **BEHIND_THE_CUBE}
DATASETS = {"dataset": 2, "baselines": 2, **TRAINING}
FLOORS = {"floors": 2, "baselines": 2, **EVALUATION}
EVERYTHING = {"floors": 2, **DATASETS}

# Messages, files, the workflow, figures, report and code of other studies; comments, docstrings
# and formatting anywhere.
EDITS_WITHOUT_EFFECT = [
    ("mfbench/training/cells.py", "broke together and go on", "broke and go on"),
    ("mfbench/files/atomic.py", '".tmp"', '".part"'),
    ("mfbench/training/checkpoints.py", "starting over", "starting again"),
    ("mfbench/workflow/job.py", "logging.INFO", "logging.DEBUG"),
    ("mfbench/commands/status_table.py", "SHOWN = 10", "SHOWN = 20"),
    ("mfbench/figures/theme.py", "fontSize=17", "fontSize=18"),
    ("mfbench/report/page.html", "<h2>Tasks</h2>", "<h2>The tasks</h2>"),
    ("workflow_scripts/evaluate.py", 'broken"] == "stop"', 'broken"] in ("stop",)'),
    ("workflow_scripts/train.py", "    device = choose", "    # It has\n    device = choose"),
    ("README.md", "mfbench", "MFBench"),
    ("mfbench/models/architectures/gru.py", "(1 - z)", "(1.0 - z)"),
    ("mfbench/tasks/kernels/airy.py", "import numpy as np", "import numpy as np\n\nX = 1"),
    (
        "mfbench/models/architectures/rnn.py",
        '"""Elman recurrent network',
        '"""The recurrent network',
    ),
    ("mfbench/training/trainer.py", "# (M, B, T)", "# member, batch, time"),
    (
        "mfbench/tasks/datasets.py",
        "y = y + settings.noise * noises",
        "y = (y + settings.noise * noises",
    ),
    (
        "mfbench/tasks/datasets.py",
        "noises.standard_normal(shape)",
        "noises.standard_normal(shape))",
    ),
    ("mfbench/cube/write.py", '"""Write a cube one', '"""Write a cube, one'),
    ("mine/gain.py", "GAIN", "# Loud.\nGAIN"),
]
SETTINGS_WITHOUT_EFFECT: dict[str, Any] = {
    "training.seeds": [1, 0],
    "training.learning_rates": [0.03, 0.01],
    "training.steps": [40, 20],
    "kernels.impulse.rho": [5, 0],
    "training.checkpoints": {"minutes": 9},
    "training.device": "cpu",
    "training.ensemble_size": 4,
    "training.broken": "stop",
    "architectures.rnn.options": {"nonlinearity": "tanh"},  # the default
}


def test_a_fresh_copy_plans_everything(fresh: Project) -> None:
    assert fresh.planned("all") == {"dataset": 2, "floors": 2, "baselines": 2, **ONE_MODEL}
    assert not (fresh.folder / "results").exists()  # a dry run leaves nothing behind


def test_what_changes_no_number_reruns_nothing(project: Project) -> None:
    shutil.rmtree(project.folder / "results/small/checkpoints")
    for edit in EDITS_WITHOUT_EFFECT:
        project.edit(*edit)
    for key, value in SETTINGS_WITHOUT_EFFECT.items():
        project.set(key, value)
    assert project.planned("all", PYTHONHASHSEED="4711") == {}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("training.steps", 13, TRAINING),
        ("task.seed", 1, DATASETS),
        ("floors.delta", 0.02, FLOORS),
        ("evaluation.success", 0.3, BEHIND_THE_CUBE),
        ("evaluation.probes", 8, EVALUATION),
        ("kernels.impulse.rho", [0, 3, 5],
         {"dataset": 1, "floors": 1, "baselines": 1, **TRAINING}),
    ],
)  # fmt: skip
def test_a_changed_setting_reruns_what_depends_on_it(
    project: Project, key: str, value: Any, expected: dict[str, int]
) -> None:
    project.set(key, value)
    assert project.planned("all") == expected


def test_a_changed_model_reruns_itself_alone(project: Project) -> None:
    """Two of the three change, and a new one has a state size that no other has."""
    project.set("architectures.rnn.options.nonlinearity", "identity")
    project.set("architectures.own.training", {"loss": {"time_power": 1}})
    project.set("architectures.gru", {"widths": [5]})
    assert project.planned("all") == {"baselines": 2, **TRAINING}


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("mfbench/models/architectures/rnn.py", "self.b + self.c", "self.b - self.c", ONE_MODEL),
        ("mine/gain.py", "1.5", "1.6", ONE_MODEL),
        ("mfbench/training/schedule.py", "return 1.0", "return 1.01", TRAINING),
        ("mfbench/tasks/kernels/impulse.py", "1.0, 0.0", "1.5, 0.0", EVERYTHING),
        ("mfbench/tasks/datasets.py", "np.sqrt(3.0)", "np.sqrt(3.1)", DATASETS),
        ("mfbench/evaluation/error.py", "square.mean(1)", "square.mean(axis=1)", EVALUATION),
        ("mfbench/floors/finite.py", "def fir_floor(", "X = 1\n\n\ndef fir_floor(", FLOORS),
        ("mfbench/baselines/ridge.py", "np.arange(-10, 1)", "np.arange(-9, 1)",
         {"baselines": 2, **BEHIND_THE_CUBE}),
        ("mfbench/cube/boundaries.py", "import numpy", "X = 1\nimport numpy", BEHIND_THE_CUBE),
        ("mfbench/predictions/width_growth.py", "MARGIN = 0.25", "MARGIN = 0.5",
         {"judge_predictions": 1}),
    ],
)  # fmt: skip
def test_edited_code_reruns_the_stages_that_use_it(
    project: Project, path: str, old: str, new: str, expected: dict[str, int]
) -> None:
    project.edit(path, old, new)
    planned = project.planned("all", "scoreboard")
    assert planned.pop("scoreboard") == 1  # printed each time
    if "benchmark_cube" in expected:
        assert planned.pop("judge_predictions") == 1
    assert planned == expected


def test_a_cube_that_is_gone_is_made_again_even_under_its_report(project: Project) -> None:
    (project.folder / "results/small/cubes/benchmark.nc").unlink()
    assert project.planned("all") == BEHIND_THE_CUBE


def test_reasons_say_what_has_changed(project: Project) -> None:
    project.set("training.seeds", [0, 1, 2])
    project.edit("mfbench/models/architectures/rnn.py", "self.b + self.c", "self.b - self.c")
    done = project.snakemake("--dry-run", "all")
    reasons = [line for line in done.stdout.splitlines() if "reason: Params" in line]
    assert len(reasons) == 3
    for reason in reasons:
        assert "before: " in reason
        assert "training.seeds = [0, 1]" in reason
        assert "training.seeds = [0, 1, 2]" in reason
        assert len(reason) < 260
    assert sum("model rnn" in reason for reason in reasons) == 1
