"""A real one-node cluster for the whole session, and copies of the project that run on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import netCDF4
import psutil
import pytest
import xarray as xr
from safetensors import safe_open

import mfbench
from tests.slurm.cluster import Cluster, NoClusterError, check_installed, may_be_gone, until
from tests.slurm.eventful import BATCH
from tests.workflow.conftest import Project, begin

CUBE = "results/small/cubes/benchmark.nc"
STEPS = 400
# Steps that a cell may repeat: those since the last checkpoint. Jobs are stopped later than that.
REPEATED = 30
STOPPED_AFTER = 60
# What tests change of the profile: it asks every second, and squeue answers once there is news.
QUICK = ("--slurm-init-seconds-before-status-checks", "1", "--max-status-checks-per-second", "2")


@dataclass
class Job:
    """A training job, by its own notes (see eventful.py)."""

    device: str
    steps: list[float] = field(default_factory=list)  # when each one started

    @property
    def interval(self) -> tuple[float, float]:
        return self.steps[0], self.steps[-1]


@dataclass
class ClusterProject(Project):
    """A working copy that runs on the cluster."""

    cluster: Cluster
    OPTIONS: ClassVar[tuple[str, ...]] = ("--profile", "slurm", *QUICK)

    def environment(self) -> dict[str, str]:
        return self.cluster.environment()

    def finish(self, snakemake: subprocess.Popen[bytes], *, seconds: float) -> None:
        """Wait for the end of a run that must end well."""
        assert snakemake.wait(timeout=seconds) == 0, self.said()

    def cube(self) -> xr.Dataset:
        """The study's cube without what differs from run to run."""
        return mfbench.open(self.folder / CUBE).drop_vars("seconds")

    def trained(self, cell: str) -> dict[str, Job]:
        """The jobs in which a cell was trained, by their SLURM id, in the order of their start."""
        jobs: dict[str, Job] = defaultdict(lambda: Job(""))
        for notes in sorted(
            (self.folder / "events" / cell).glob("[0-9]*"), key=lambda p: int(p.name)
        ):
            for kind, _, value in (line.partition(" ") for line in notes.read_text().splitlines()):
                if kind == "device":
                    jobs[notes.name].device = value
                else:
                    jobs[notes.name].steps.append(float(value))
        return {name: job for name, job in jobs.items() if job.steps}

    def read_all_files(self) -> set[str]:
        """Read all numbers of all results; raises where a file is not whole, returns suffixes."""
        read = set()
        for file in (self.folder / "results").rglob("*"):
            if file.name.startswith("."):
                continue  # a temporary file of a job that was killed while it wrote
            if file.suffix == ".nc":
                with netCDF4.Dataset(file) as opened:
                    for variable in opened.variables.values():
                        variable[...]
            elif file.suffix == ".safetensors":
                with safe_open(file, framework="np") as opened:
                    for name in opened.keys():  # noqa: SIM118
                        opened.get_tensor(name)
            read.add(file.suffix)
        return read

    def once_trained(
        self,
        steps: Mapping[str, int],
        snakemake: subprocess.Popen[bytes],
        act: Callable[[str, str], object] = lambda cell, job: None,
    ) -> None:
        """Wait until cells have trained for some steps, and act on each one when it has.

        Parameters
        ----------
        steps : mapping
            Number of training steps by cell.
        snakemake : Popen
            The run that trains them.
        act : function of cell and SLURM job
        """
        waiting = dict(steps)

        def trained() -> bool:
            assert snakemake.poll() is None, self.said()
            for cell, count in list(waiting.items()):
                job = next(iter(self.trained(cell)), None)
                if job is not None and len(self.trained(cell)[job].steps) >= count:
                    act(cell, job)
                    del waiting[cell]
            return not waiting

        until(trained, seconds=600, what=f"training steps of {', '.join(steps)}")


def study(architectures: Mapping[str, Any]) -> dict[str, Any]:
    """One cell for each architecture and width, with a checkpoint every other second."""
    return {
        "name": "small",
        "task": {"length": 16, "sequences": {"train": 32, "validation": 8, "test": 8}},
        "kernels": {"impulse": {"rho": [1]}},
        "architectures": dict(architectures),
        "training": {
            "steps": STEPS,
            "batch_size": BATCH,
            "learning_rates": [0.01],
            "seeds": [0],
            "validations": 4,
            "checkpoints": {"minutes": 0.03},
        },
        "evaluation": {"probes": 16},
    }


def eventful(event: str, *widths: int) -> dict[str, Any]:
    """A study's entry of the architecture that notes what it sees."""
    model = "tests/slurm/eventful.py:Eventful"
    return {"model": model, "widths": list(widths), "options": {"event": event}}


@pytest.fixture(scope="session")
def _cluster() -> Iterator[Cluster]:
    # A time limit of whoever started pytest ends it as Ctrl-C does, and fixtures clean up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="mfbench-slurm-"))
    try:
        try:
            check_installed()
            cluster = Cluster(folder / "cluster")
        except NoClusterError as reason:
            if os.environ.get("MFBENCH_REQUIRE_SLURM"):
                pytest.fail(f"no SLURM here, but MFBENCH_REQUIRE_SLURM is set: {reason}")
            pytest.skip(f"no SLURM here: {reason}")
        with cluster.running():
            yield cluster
        assert cluster.processes() == []
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def cluster(_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster; no job and no Snakemake outlives a module's tests, failed ones included."""
    yield _cluster
    for child in psutil.Process().children(recursive=True):
        with may_be_gone():
            if "snakemake" in child.cmdline():
                child.kill()
    _cluster.cancel_all()


def copy_with(folder: Path, content: Mapping[str, Any], cluster: Cluster) -> ClusterProject:
    """A copy of the tree with a study in it."""
    return ClusterProject(begin(folder, dict(content)).folder, cluster)


def run_undisturbed(folder: Path, content: Mapping[str, Any]) -> xr.Dataset:
    """The cube of a study that runs on this machine, without SLURM."""
    begin(folder, dict(content)).run(CUBE)
    return mfbench.open(folder / CUBE).drop_vars("seconds")
