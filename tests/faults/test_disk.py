"""A disk that is full or cannot be written: said clearly, and what was there stays."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from tests.cube.evaluations import make_group
from tests.faults.conftest import CUBE, RESULTS, Mount, fill, numbers, remount
from tests.files.test_integrity import KINDS
from tests.workflow.conftest import Project, said

pytestmark = pytest.mark.faults

# By each library that writes results.
WRITERS: dict[str, Callable[[Path], object]] = {
    **{name: write for name, (write, _) in KINDS.items()},
    "a-4-airy.nc": lambda path: make_group(path.parent, "a", 4, "airy"),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("share", [0.0, 0.5], ids=["none", "half"])
def test_a_full_disk_is_named_and_the_old_file_stays(
    name: str, share: float, mount: Mount, tmp_path: Path
) -> None:
    """With no room at all, and with room for half of the file."""
    disk = tmp_path / "disk"
    mount(disk, 24 * 2**20)
    WRITERS[name](disk / name)
    before = {f: f.read_bytes() for f in disk.iterdir()}
    fill(disk, leave=int(share * (disk / name).stat().st_size))
    with pytest.raises(OSError, match="No space left on device") as caught:
        WRITERS[name](disk / name)
    assert caught.value.errno == errno.ENOSPC
    assert Path(caught.value.filename).parent == disk
    assert ".tmp" not in caught.value.filename
    (disk / "ballast").unlink()
    assert {f: f.read_bytes() for f in disk.iterdir()} == before  # and no temporary file


def test_a_study_on_a_full_disk_says_so_and_goes_on_with_more_room(
    project: Project, mount: Mount, tiny: Path
) -> None:
    """The training finds no room; a larger disk is all that the next run needs."""
    results = project.folder / RESULTS
    kept = results.with_name("kept")
    results.rename(kept)
    mount(results, 32 * 2**20)
    shutil.copytree(kept, results, dirs_exist_ok=True)
    for folder in ("training/study/rnn", "checkpoints/rnn", "evaluation/study/rnn", "cubes"):
        shutil.rmtree(results / folder)
    evaluation = results / "evaluation/study/lru/width=4/impulse.nc"
    old = evaluation.read_bytes()
    fill(results, leave=16 * 2**10)  # logs and folders have room
    done = project.snakemake(CUBE)
    assert done.returncode != 0
    assert re.search(
        r"^OSError: \[Errno 28\] No space left on device: '.*(checkpoints|training/study)/rnn/",
        said(done),
        re.M,
    ), said(done)
    assert evaluation.read_bytes() == old
    assert not list(results.rglob("*.tmp"))
    (results / "ballast").unlink()
    project.run(CUBE)
    xr.testing.assert_identical(numbers(project.folder / CUBE), numbers(tiny / CUBE))


def test_a_results_folder_that_cannot_be_written_is_named_before_any_work(
    project: Project, mount: Mount
) -> None:
    results = project.folder / RESULTS
    kept = results.with_name("kept")
    results.rename(kept)
    mount(results, 32 * 2**20)
    shutil.copytree(kept, results, dirs_exist_ok=True)
    shutil.rmtree(results / "cubes")
    before = sorted(results.rglob("*"))
    remount(results, "ro")
    done = project.snakemake(CUBE)
    assert done.returncode != 0
    assert f"the results folder {RESULTS} cannot be written" in said(done)
    assert "Read-only file system" in said(done)
    assert "Traceback" not in said(done)
    assert sorted(results.rglob("*")) == before
