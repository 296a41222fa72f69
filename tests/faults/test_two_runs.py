"""Two runs in one folder: the second is told, and the first goes on."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.conftest import CUBE
from tests.workflow.conftest import Project, said

pytestmark = pytest.mark.faults


def test_a_second_run_of_the_study_is_told_that_one_is_under_way(project: Project) -> None:
    (project.folder / CUBE).unlink()
    first = project.start(CUBE)
    try:
        locks = project.folder / ".snakemake/locks"
        while not list(locks.glob("*")):
            assert first.poll() is None, "the first run ended before the second began"
            time.sleep(0.02)
        os.killpg(first.pid, signal.SIGSTOP)  # so that it cannot end too early
        second = project.snakemake(CUBE)
        os.killpg(first.pid, signal.SIGCONT)
        assert second.returncode != 0
        assert "Directory cannot be locked" in said(second)
        assert "--unlock" in said(second)  # what to do after a power cut
        assert first.wait(timeout=300) == 0
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
    assert project.planned(CUBE) == {}
