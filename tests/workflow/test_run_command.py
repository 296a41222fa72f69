"""`mfbench run` in a folder without a clone, stopped, and with a job that fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

import mfbench
from tests import warm
from tests.conftest import REPOSITORY, small_study
from tests.workflow.conftest import FILES, said

OWN = {"own": {"model": "mine/own.py:Own", "widths": [4]}}


def write(folder: Path, architectures: dict[str, Any] = OWN, **changes: Any) -> None:
    """A study of one cell and a model of one's own."""
    study = small_study() | {"kernels": {"impulse": {"rho": [0]}}, "floors": {"state_sizes": [1]}}
    study["architectures"] = architectures
    study["training"] |= {"learning_rates": [0.01]} | changes
    (folder / "mine").mkdir(exist_ok=True)
    for name in ("mine/gain.py", "mine/own.py"):
        (folder / name).write_text(FILES[name])
    (folder / "study.yaml").write_text(yaml.safe_dump(study))


def command(*arguments: str) -> list[str]:
    return [warm.python(), "-P", "-m", "mfbench", *arguments]


def environment(tree: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(tree)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as a wheel installs it that was built from the source distribution."""
    folder, source = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("source")

    def ran(*arguments: str) -> None:
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, said(done)

    ran("hatchling", "build", "--target", "sdist", "--directory", str(source))
    [archive] = source.iterdir()
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    ran("pip", "install", *options, "--target", str(folder), str(archive))
    return folder


def test_the_path_of_a_new_user(installed: Path, tmp_path: Path) -> None:
    """In an empty folder, with a model of one's own: check, try, run, compare, and add a seed."""

    def ran(*arguments: str) -> str:
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=environment(installed) | {"OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, said(done)
        return done.stdout

    assert "Next: mfbench check mine.py:Mine" in ran("new", "architecture", "mine")
    sizes = ["--width", "4", "--length", "16", "--device", "cpu", "--json"]
    assert not json.loads(ran("check", "mine.py:Mine", *sizes))["broken"]
    task = ["--kernel", "impulse", "--memory-length", "1", "--steps", "12"]
    tried = json.loads(ran("try", "mine.py:Mine", *task, *sizes))
    assert [model["model"] for model in tried["models"]] == ["Mine"]

    own = {"mine": {"model": "mine.py:Mine", "widths": [4]}}
    write(tmp_path, own)
    assert ran("run", "study.yaml", "--cores", "2").endswith("report: results/small/report.html\n")
    [log] = (tmp_path / ".snakemake/log").iterdir()
    assert f"Snakefile: {installed}/mfbench/_workflow/Snakefile" in log.read_text()
    cube = mfbench.open(tmp_path / "results/small/cubes/benchmark.nc")
    assert (cube.status == "ok").all()
    cube.assign(relative_mse=cube.relative_mse / 2).to_netcdf(tmp_path / "other.nc")
    compared = json.loads(ran("compare", "results/small/cubes/benchmark.nc", "other.nc", "--json"))
    [cell] = compared["cells"]
    assert (cell["architecture"], cell["ratio"]) == ("mine", pytest.approx(0.5))

    estimate = json.loads(ran("estimate", "study.yaml", "--json"))
    assert estimate["seconds_left"] == 0 < estimate["seconds"]
    files = [file for file in (tmp_path / "results").rglob("*") if file.is_file()]
    assert 0.5 < estimate["disk_mb"] * 1e6 / sum(file.stat().st_size for file in files) < 2
    write(tmp_path, own, seeds=[0, 1, 2])
    status = ran("status", "study.yaml")
    assert "1 extended, 0 missing\nmembers: 1 to train" in status
    assert "mine, width 4, impulse, rho = 0: 1 member to train" in status
    assert ran("why", "study.yaml").splitlines() == [
        "training        1 job  seeds added: 2",
        "evaluation      1 job  after training",
        "cube            1 job  after evaluation",
        "report          1 job  after cube",
    ]


def test_a_run_that_is_stopped_tells_its_jobs_and_goes_on_next_time(tmp_path: Path) -> None:
    write(tmp_path, steps=10**6, checkpoints={"minutes": 0})
    running = subprocess.Popen(
        command("run", "study.yaml"),
        cwd=tmp_path,
        env=environment(REPOSITORY),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    state = tmp_path / "results/small/jobs/own/width=4/impulse/rho=0.json"
    while not list(tmp_path.glob("results/small/checkpoints/**/*.safetensors")):
        assert running.poll() is None
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    output, error = running.communicate(timeout=60)
    assert running.returncode == 130
    assert error.startswith("stopped: `mfbench run study.yaml` continues from here; finished")
    assert "Traceback" not in output + error
    assert error.count("\n") == 1
    assert json.loads(state.read_text())["state"] == "interrupted"
    assert not list((tmp_path / ".snakemake/locks").glob("*"))


def test_a_failed_job_is_a_line_and_an_exit_status(tmp_path: Path) -> None:
    write(tmp_path, broken="stop")
    (tmp_path / "mine/own.py").write_text(FILES["broken.py"])
    done = subprocess.run(
        command("run", "study.yaml", "--device", "cpu"),
        cwd=tmp_path,
        env=environment(REPOSITORY),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    log = "results/small/logs/training/study/own/width=4/impulse/part=1.log"
    [line] = [line for line in done.stdout.splitlines() if "failed" in line]
    assert line.startswith("training own 4 impulse failed: ")
    assert line.endswith(f"KeyError: 'mine' (own.py:13); see {log}")
    assert done.stderr.startswith("mfbench run: 1 job failed; fix the cause, then ")
    assert done.stderr.count("\n") == 1
