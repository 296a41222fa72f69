"""`mfbench try`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mfbench.commands.app import app
from mfbench.commands.block_chart import block_chart
from tests.conftest import REPOSITORY
from tests.figures.conftest import make_cube

TASK = ["--kernel", "impulse", "--rho", "3", "--length", "16", "--device", "cpu"]
SMALL = ["--width", "4", "--steps", "20", "--seeds", "1"]


def test_errors_memory_and_a_hint(tmp_path: Path) -> None:
    make_cube().to_netcdf(tmp_path / "cube.nc")
    with_cube = ["--with", str(tmp_path / "cube.nc"), "--figure", str(tmp_path / "figure.svg")]
    done = CliRunner().invoke(app, ["try", "rnn", *TASK, *SMALL, *with_cube])
    assert done.exit_code == 0, done.stderr
    title, _, others, *lines = done.stdout.splitlines()
    assert title == "rnn on impulse, M99 = 4"
    assert "impulse, M99 = 4, sequences of 32 steps" in others
    # Best first: both models of the cube have the errors 0.01, 0.02 and 0.03 there.
    models = [line.split() for line in lines if line[:4].strip() in ("b", "a", "rnn")]
    assert [row[0] for row in models] == ["b", "a", "rnn"]
    assert models[0][1:7] == ["8", "16", "0.02", "0.01", "to", "0.03"]
    assert models[0][-1] == "solved"
    assert "not solved" in lines
    assert any("the best learning rate lies at the upper edge" in line for line in lines)
    target = next(line for line in lines if line.startswith("target"))
    assert len(target[14:]) == 4  # an impulse at lag 3
    assert target[14:17] == "   "
    figure = (tmp_path / "figure.svg").read_text()
    assert all(text in figure for text in ("rnn on impulse, M99 = 4", ">rnn<", ">a<", ">b<"))


def test_json_of_a_model_that_prints(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(LOUD)
    model = f"{tmp_path / 'loud.py'}:Loud"
    done = CliRunner().invoke(app, ["try", model, *TASK, *SMALL, "--json"])
    found = json.loads(done.stdout)
    assert found["memory_length"] == 4
    assert [m["learning_rate"] for m in found["members"]] == [0.01, 0.03]
    assert found["models"][0]["median"] in [m["relative_mse"] for m in found["members"]]
    assert [row["lag"] for row in found["memory_function"]] == list(range(16))


LOUD = """
from torch import nn

class Loud(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, 4, padding=3)

    def forward(self, x):
        print("loud")
        return self.conv(x.mT)[..., : x.shape[1]].mT
"""


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["rnn", "--kernel", "impulse"], 2, "impulse: give either rho or memory-length"),
        (["rnn", *TASK, "--memory-length", "4"], 2, "give either --memory-length or --rho, not"),
        (["rnn", "--kernel", "airy", "--rho", "-1"], 2, "rho = -1 is not allowed (lag of the"),
        (
            ["rnn", "--kernel", "nope", "--rho", "1"],
            2,
            "or give path/to/file.py:FAMILY, or",
        ),
        (["rnn", *TASK, "--learning-rates", "1;2"], 2, "write numbers with commas"),
        (["rnn", *TASK, "--figure", "a.gif"], 2, "a.gif must end in .png, .svg, .html"),
        (["rnn", "--kernel", "impulse", "--memory-length", "99"], 2, "memory-length = 99 must lie"),
        (["rnn", *TASK, "--with", "none.nc"], 1, "none.nc: No such file"),
        (["rnn", *TASK, "--clock", "marked"], 2, "clock: marked needs marks"),
        (["rmm", *TASK], 1, "no architecture named 'rmm'; choose from"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], status: int, says: str) -> None:
    done = CliRunner().invoke(app, ["try", *arguments])
    assert done.exit_code == status
    assert says in " ".join(done.stderr.replace("│", "").split())


SLOW = """
import time
from pathlib import Path
from torch import nn

class Slow(nn.Linear):
    calls = 0

    def __init__(self):
        super().__init__(1, 1)

    def forward(self, x):
        Slow.calls += self.training
        if Slow.calls == 40:
            Path("trains").touch()
        if Slow.calls > 40:
            time.sleep(0.01)
        return super().forward(x)
"""


def test_ctrl_c_ends_it_with_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    command = [sys.executable, "-m", "mfbench", "try", "slow.py:Slow", *TASK, "--steps", "100000"]
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # The tests may run in the background of a shell, where Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as running:
        deadline = time.monotonic() + 120
        while not (tmp_path / "trains").exists() and time.monotonic() < deadline:
            assert running.poll() is None, running.stderr.read()
            time.sleep(0.1)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=120)
    assert running.returncode == 0, err
    assert "(interrupted at step" in out
    assert "Slow on impulse, M99 = 4" in out
    assert err == ""  # no progress bar without a terminal


def test_bars_go_up_and_down_from_zero() -> None:
    found = block_chart([0.5, -0.5, 1.0, 0.0, -1.0], low=-1.0, high=1.0, lines=4)
    assert found == [
        (1.0, "  █"),
        (0.5, "█ █"),
        (-0.5, " █  █"),
        (-1.0, "    █"),
    ]
