"""The smoke study on a cluster ends as it does on a laptop."""

from __future__ import annotations

from pathlib import Path

import pytest
import xarray as xr
import yaml

import mfbench
from tests.conftest import REPOSITORY
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import copy_with
from tests.workflow.conftest import Project, copy_of_the_tree

pytestmark = pytest.mark.slurm

CUBE = "results/smoke/cubes/benchmark.nc"
BROKEN = """
from mfbench.models.mixer import Mixer
class Broken(Mixer):
    def __init__(self, width, layer, length):
        super().__init__()
    def forward(self, u):
        raise KeyError('mine')
"""


def test_the_smoke_study_ends_with_the_same_cube(cluster: Cluster, tmp_path: Path) -> None:
    content = yaml.safe_load((REPOSITORY / "config/smoke.yaml").read_text())
    own = tmp_path / "own.py"
    own.write_text(BROKEN)
    content["architectures"]["broken"] = {"model": f"{own}:Broken", "widths": [4]}
    local = tmp_path / "local"
    copy_of_the_tree(local)
    (local / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    project = copy_with(tmp_path / "cluster", content, cluster)
    # A site's own settings, as in docs/cluster.md; the second partition is not the default.
    site = f"slurm_partition={cluster.partitions[1]}"
    snakemake = project.start("all", "scoreboard", "--default-resources", site)
    done = Project(local).snakemake(CUBE)
    assert done.returncode == 0, done.stdout + done.stderr
    project.finish(snakemake, seconds=1200)
    report = (project.folder / "results/smoke/report.html").read_text()
    assert "2 cells failed" in report
    assert "KeyError: &#39;mine&#39;" in report
    cubes = [
        mfbench.open_benchmark(folder / CUBE).drop_vars("seconds")
        for folder in (project.folder, local)
    ]
    xr.testing.assert_equal(*cubes)
    assert (cubes[0].status.sel(architecture="rnn", kernel="impulse") == "ok").all()
    assert "KeyError: 'mine'" in cubes[0].message.sel(architecture="broken").values.flat[0]
    used = cluster.run("squeue", "--noheader", "--states=all", "--format=%Z|%P").splitlines()
    partitions = {line.split("|")[1] for line in used if line.startswith(f"{project.folder}|")}
    assert partitions == {cluster.partitions[1]}
