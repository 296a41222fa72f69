"""A file under its final name is whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mfbench.files import atomic, git_commit, package_versions, provenance, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def burn() -> None:
        with atomic(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        burn()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_temporary_file_lies_in_the_same_folder(tmp_path: Path) -> None:
    with atomic(tmp_path / "new" / "a.txt") as temporary:
        assert temporary.parent == tmp_path / "new"
        temporary.write_text("new")
        assert not (tmp_path / "new" / "a.txt").exists()
    assert (tmp_path / "new" / "a.txt").read_text() == "new"


def test_a_file_has_the_permissions_that_the_user_wants_for_new_files(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    with atomic(tmp_path / "atomic") as temporary:
        temporary.touch(mode=0o600)
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_provenance_names_versions_commit_settings_and_seeds() -> None:
    attributes = provenance(title="t", settings={"b": 1, "a": 2}, seeds=[3])
    assert attributes["settings"] == '{"a": 2, "b": 1}'
    assert attributes["seeds"] == "[3]"
    assert attributes["Conventions"].startswith("CF-1.")
    assert {"python", "numpy", "torch"} <= set(package_versions())
    assert attributes["git_commit"] == git_commit()
    assert len(git_commit().removesuffix("-dirty")) in (7, 40)  # 'unknown' outside of git


def test_what_a_killed_writer_left_is_removed_and_that_of_a_living_one_kept(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    code = (
        "import os, sys; from mfbench.files import atomic\n"
        "with atomic(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".tmp")
    with atomic(target) as temporary:  # this process lives
        temporary.write_text("first")
        assert not left.exists()
        beside = left.with_name(temporary.name.replace(str(os.getpid()), str(os.getppid())))
        elsewhere = left.with_name(".a.txt.another-host-1.99999999.tmp")
        for other in (beside, elsewhere):
            other.touch()
        write_text(tmp_path / "b.txt", "another file")
        assert temporary.exists()
    write_text(target, "second")
    assert beside.exists()
    assert elsewhere.exists()
    assert target.read_text() == "second"


def test_an_error_of_the_system_names_the_file_and_not_its_temporary_one(tmp_path: Path) -> None:
    def nothing_written() -> None:
        with atomic(tmp_path / "a.nc") as temporary:
            temporary.mkdir()

    with pytest.raises(OSError, match=r"a\.nc'$") as caught:
        nothing_written()
    assert caught.value.filename == str(tmp_path / "a.nc")
