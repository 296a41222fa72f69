"""Which jobs run again, proved on real dry runs.

The small study has the architectures rnn and s4d at one width, exponential with two levels and
impulse with one: 3 datasets with their floors, 6 cells in 4 groups.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.workflow.conftest import Project

BEHIND_THE_CUBE = {"benchmark_cube": 1, "report_page": 1}
ALL_TRAINING = {"train": 4, "evaluate": 4, **BEHIND_THE_CUBE}
ALL_BUT_FLOORS = {"dataset": 3, **ALL_TRAINING}
EVERYTHING = {"floors": 3, **ALL_BUT_FLOORS}


def test_a_fresh_copy_plans_everything(fresh: Project) -> None:
    assert fresh.planned("all") == EVERYTHING
    assert not (fresh.folder / "results").exists()  # a dry run leaves nothing behind


def test_a_second_run_has_nothing_to_do(project: Project) -> None:
    done = project.snakemake("all")
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_plans_do_not_depend_on_the_hash_seed(project: Project, seed: str) -> None:
    assert project.planned("all", PYTHONHASHSEED=seed) == {}
    project.configure(lambda s: s["architectures"].update(gru={"widths": [4]}))
    expected = {"train": 2, "evaluate": 2, **BEHIND_THE_CUBE}
    assert project.planned("all", PYTHONHASHSEED=seed) == expected


def test_an_added_level_schedules_its_own_cells(project: Project) -> None:
    project.configure(lambda s: s["kernels"]["impulse"]["rho"].append(5))
    expected = {
        "dataset": 1,
        "floors": 1,
        "train": 2,
        "evaluate": 2,
        **BEHIND_THE_CUBE,
    }
    assert project.planned("all") == expected


def test_levels_are_divided_anew_without_training_again(project: Project) -> None:
    project.configure(lambda s: s["training"].update(cells_per_job=1))
    record = "results/small/training/study/rnn/width=4/exponential/part=2.nc"
    done = project.snakemake(record)
    assert done.returncode == 0, done.stdout + done.stderr
    log = "results/small/logs/training/study/rnn/width=4/exponential/part=2.log"
    assert (project.folder / log).read_text().count("found finished") == 4


def test_a_fresh_study_with_a_job_for_each_cell(fresh: Project) -> None:
    fresh.configure(lambda s: s["training"].update(cells_per_job=1))
    assert fresh.planned("all") == {**EVERYTHING, "train": 6}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda s: s["training"]["seeds"].reverse(), {}),
        (lambda s: s["training"]["learning_rates"].reverse(), {}),
        (lambda s: s["kernels"]["exponential"]["memory_length"].reverse(), {}),
        # The cube has them in the order of the study.
        (lambda s: s.update(kernels=dict(reversed(s["kernels"].items()))), BEHIND_THE_CUBE),
    ],
    ids=["seeds", "learning rates", "levels", "kernels"],
)
def test_a_list_in_another_order_trains_nothing(
    project: Project, change: Any, expected: dict[str, int]
) -> None:
    project.configure(change)
    assert project.planned("all") == expected


def test_reasons_say_what_has_changed(project: Project) -> None:
    project.configure(lambda s: s["training"]["seeds"].append(2))
    project.edit(
        "mfbench/models/s4d.py", "self.W(causal_convolution(", "self.W(2 * causal_convolution("
    )
    done = project.snakemake("--dry-run", "all")
    reasons = [line for line in done.stdout.splitlines() if "reason: Params" in line]
    assert len(reasons) == 4
    for reason in reasons:
        assert "before: " in reason
        assert "training.seeds = [0, 1]" in reason
        assert "training.seeds = [0, 1, 2]" in reason
        assert len(reason) < 260
    assert sum("model s4d" in reason for reason in reasons) == 2


def test_an_added_width_schedules_its_own_cells(project: Project) -> None:
    project.configure(lambda s: s["architectures"]["rnn"]["widths"].append(6))
    assert project.planned("all") == {
        "train": 2,
        "evaluate": 2,
        **BEHIND_THE_CUBE,
    }


def test_an_added_seed_makes_no_dataset_and_trains_only_its_members(project: Project) -> None:
    project.configure(lambda s: s["training"]["seeds"].append(2))
    assert project.planned("all") == ALL_TRAINING
    done = project.snakemake("results/small/training/study/rnn/width=4/impulse/part=1.nc")
    assert done.returncode == 0, done.stderr
    log = project.folder / "results/small/logs/training/study/rnn/width=4/impulse/part=1.log"
    log = log.read_text()
    assert log.count("found finished") == 4  # two learning rates x two seeds
    assert log.count(": trained") == 2  # two learning rates x the new seed


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("training.steps", 13, ALL_TRAINING),
        ("training.optimiser", {"weight_decay": 0.1}, ALL_TRAINING),
        ("task.seed", 1, ALL_BUT_FLOORS),
        ("floors.delta", 0.02, {"floors": 3, "evaluate": 4, **BEHIND_THE_CUBE}),
        ("evaluation.success", 0.2, BEHIND_THE_CUBE),
        ("evaluation.probes", 8, {"evaluate": 4, **BEHIND_THE_CUBE}),
        ("architectures.s4d.options.state", 6, {"train": 2, "evaluate": 2, **BEHIND_THE_CUBE}),
        (
            "architectures.s4d.training",
            {"loss": {"time_power": 1}},
            {"train": 2, "evaluate": 2, **BEHIND_THE_CUBE},
        ),
        ("training.checkpoints", {"minutes": 9}, {}),
        ("training.device", "cpu", {}),
        ("training.ensemble_size", 4, {}),
        ("training.broken", "stop", {}),
    ],
)  # fmt: skip
def test_a_changed_setting_reruns_what_depends_on_it(
    project: Project, key: str, value: Any, expected: dict[str, int]
) -> None:
    def change(study: dict[str, Any]) -> None:
        *parents, last = key.split(".")
        for parent in parents:
            study = study.setdefault(parent, {})
        study[last] = value

    project.configure(change)
    assert project.planned("all") == expected


def test_an_option_that_repeats_the_default_reruns_nothing(project: Project) -> None:
    project.configure(lambda s: s["architectures"]["s4d"]["options"].update(init="lin"))
    project.configure(lambda s: s["architectures"]["s4d"].update(activation="gelu", layers=1))
    assert project.planned("all") == {}


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        (
            "mfbench/models/s4d.py",
            "self.W(causal_convolution(",
            "self.W(2 * causal_convolution(",
            {"train": 2, "evaluate": 2, **BEHIND_THE_CUBE},
        ),
        (
            "mfbench/training/schedule.py",
            "return 1.0",
            "return 1.01",
            {"train": 4, "evaluate": 4, **BEHIND_THE_CUBE},
        ),
        (
            "mfbench/tasks/kernels/impulse.py",
            "1.0, 0.0",
            "1.5, 0.0",
            {"dataset": 1, "floors": 1, "train": 2, "evaluate": 2, **BEHIND_THE_CUBE},
        ),
        (
            "mfbench/evaluation/error.py",
            "square.mean(1)",
            "square.mean(axis=1)",
            {"evaluate": 4, **BEHIND_THE_CUBE},
        ),
        (
            "mfbench/tasks/datasets.py",
            "np.sqrt(3.0)",
            "np.sqrt(3.1)",
            ALL_BUT_FLOORS,
        ),
        (
            "mfbench/floors/finite.py",
            "def fir_floor(",
            "X = 1\n\n\ndef fir_floor(",
            {"floors": 3, "evaluate": 4, **BEHIND_THE_CUBE},
        ),
        ("mfbench/cube/boundaries.py", "import numpy", "X = 1\nimport numpy", BEHIND_THE_CUBE),
        # What changes no number: messages, files, the workflow, commands, figures and the report.
        ("mfbench/training/cells.py", "broke together and go on", "broke and go on", {}),
        ("mfbench/models/build.py", "the model is not causal", "the model is acausal", {}),
        ("mfbench/files/atomic.py", '".tmp"', '".part"', {}),
        ("mfbench/training/checkpoints.py", "starting over", "starting again", {}),
        ("mfbench/workflow/job.py", "logging.INFO", "logging.DEBUG", {}),
        ("mfbench/commands/status.py", "_SHOWN = 10", "_SHOWN = 20", {}),
        ("mfbench/figures/theme.py", "fontSize=17", "fontSize=18", {}),
        ("mfbench/report/page.html", "<h2>Tasks</h2>", "<h2>The tasks</h2>", {}),
        ("workflow_scripts/evaluate.py", 'broken"] == "stop"', 'broken"] in ("stop",)', {}),
        ("README.md", "mfbench", "MFBench", {}),
        ("mfbench/models/gru.py", "(1 - z)", "(1.0 - z)", {}),  # not in this study
    ],
)  # fmt: skip
def test_edited_code_reruns_the_stages_that_use_it(
    project: Project, path: str, old: str, new: str, expected: dict[str, int]
) -> None:
    project.edit(path, old, new)
    assert project.planned("all") == expected
    project.edit(path, new, old)
    assert project.planned("all") == {}  # and taking it back is free


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("mfbench/models/s4d.py", '"""S4D, the diagonal', '"""S4D: the diagonal'),
        ("mfbench/training/trainer.py", "# (M, B, T)", "# member, batch, time"),
        ("mfbench/tasks/datasets.py", "y = y + scale * noises", "y = (y + scale * noises"),
        ("mfbench/cube/write.py", '"""A cube, written', '"""A cube that is written'),
        (
            "workflow_scripts/train.py",
            "    device = choose",
            "    # It has\n    device = choose",
        ),
    ],
)
def test_comments_docstrings_and_formatting_change_nothing(
    project: Project, path: str, old: str, new: str
) -> None:
    project.edit(path, old, new)
    if new.endswith("noises"):  # a pair of brackets that means nothing
        project.edit(path, "noises.standard_normal(shape)", "noises.standard_normal(shape))")
    assert project.planned("all") == {}


def test_an_architecture_of_ones_own_reruns_with_its_file_and_its_neighbours(
    project: Project,
) -> None:
    (project.folder / "mine").mkdir()
    (project.folder / "mine" / "gain.py").write_text("GAIN = 2.0\n")
    (project.folder / "mine" / "own.py").write_text(
        "from gain import GAIN\n"
        "from torch import nn\n"
        "from mfbench.models.mixer import Mixer\n\n"
        "class Own(Mixer):\n"
        "    def __init__(self, width, layer, length):\n"
        "        super().__init__()\n"
        "        self.W = nn.Linear(width, width)\n\n"
        "    def forward(self, u):\n"
        "        return GAIN * self.W(u)\n"
    )
    project.configure(
        lambda s: s["architectures"].update(own={"model": "mine/own.py:Own", "widths": [4]})
    )
    own = {"train": 2, "evaluate": 2, "benchmark_cube": 1}
    cube = "results/small/cubes/benchmark.nc"
    assert project.planned(cube) == own
    done = project.snakemake(cube)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.planned(cube) == {}
    project.edit("mine/gain.py", "2.0", "3.0")
    assert project.planned(cube) == own


def test_deleted_checkpoints_rerun_nothing(project: Project) -> None:
    import shutil

    shutil.rmtree(project.folder / "results/small/checkpoints")
    assert project.planned("all") == {}


def test_the_scoreboard_is_judged_on_the_cube_and_printed_each_time(project: Project) -> None:
    assert project.planned("scoreboard") == {"judge_predictions": 1, "scoreboard": 1}
    for _ in range(2):
        done = project.snakemake("scoreboard")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Width growth (curse of memory): NOT DECIDED BY THIS STUDY" in done.stdout
        assert project.planned("scoreboard") == {"scoreboard": 1}  # nothing is judged again
    assert project.planned("all") == {}
    folder = project.folder / "results/small"
    assert {p.name for p in folder.glob("scoreboard*")} == {
        f"scoreboard.{kind}" for kind in ("csv", "md", "txt")
    }
    project.edit("mfbench/predictions/width_growth.py", "MARGIN = 0.25", "MARGIN = 0.5")
    assert project.planned("scoreboard") == {"judge_predictions": 1, "scoreboard": 1}
    assert project.planned("all") == {}


def test_a_cube_that_is_gone_is_made_again_even_under_its_report(project: Project) -> None:
    (project.folder / "results/small/cubes/benchmark.nc").unlink()
    assert project.planned("all") == BEHIND_THE_CUBE
