"""What a study does not mean is refused by `snakemake -n`, with file and line."""

from __future__ import annotations

import subprocess
import sys

from tests.workflow.conftest import Project

STUDY = """\
name: strict
task: {length: 16, sequences: {train: 32, validation: 8, test: 8}}
kernels:
  impulse: {rho: [3]}
architectures:
  rnn: {widths: [4]}
  transformer: {widths: [4, 15]}
training: {steps: 12, batch_size: 8}
"""


def planned(project: Project, text: str, *arguments: str) -> str:
    (project.folder / "study.yaml").write_text(text)
    done = project.snakemake("-n", "all", *arguments)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    return said


def test_a_dry_run_names_the_line(fresh: Project) -> None:
    said = planned(fresh, STUDY)
    assert (
        "study.yaml is not a valid study:\n  study.yaml:7:29: architectures.transformer.widths[1]: "
        "width 15: width = 15 is not a multiple of heads = 2" in said
    )
    twice = STUDY + "training: {steps: 5}\n"  # Snakemake takes the last one
    assert "study.yaml:9:1: the key 'training' is given twice, first in line 8" in planned(
        fresh, twice
    )
    good = STUDY.replace(", 15", "")
    said = planned(fresh, good, "--config", "training={stepps: 4}")
    assert "--config training: training.stepps: unknown key" in said
    assert not (fresh.folder / "results").exists()


def test_the_default_study_is_read_by_mfbench_alone(fresh: Project) -> None:
    (fresh.folder / "config.yaml").write_text(STUDY + "evaluation: [1\n")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n"],
        cwd=fresh.folder,
        capture_output=True,
        text=True,
        env=fresh.environment(),
        check=False,
    )
    assert "config.yaml:10:1: not valid YAML while parsing a flow sequence from line 9" in (
        done.stdout + done.stderr
    )
    assert "Traceback" not in done.stdout + done.stderr
