"""What a study does not mean is refused by `snakemake -n`, with file and line."""

from __future__ import annotations

from tests import warm
from tests.workflow.conftest import Project, said

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
    printed = said(project.snakemake("-n", "all", *arguments))
    assert "Traceback" not in printed
    return printed


def test_a_dry_run_names_the_line(fresh: Project) -> None:
    assert (
        "study.yaml is not a valid study:\n  study.yaml:7:29: architectures.transformer.widths[1]: "
        "width 15: width = 15 is not a multiple of heads = 2" in planned(fresh, STUDY)
    )
    twice = STUDY + "training: {steps: 5}\n"  # Snakemake takes the last one
    assert "study.yaml:9:1: the key 'training' is given twice, first in line 8" in planned(
        fresh, twice
    )
    good = STUDY.replace(", 15", "")
    assert "--config training: training.stepps: unknown key" in planned(
        fresh, good, "--config", "training={stepps: 4}"
    )
    assert not (fresh.folder / "results").exists()


def test_the_default_study_is_read_by_mfbench_alone(fresh: Project) -> None:
    (fresh.folder / "config.yaml").write_text(STUDY + "evaluation: [1\n")
    done = warm.run(
        *("-m", "snakemake", "-n"), folder=fresh.folder, environment=fresh.environment()
    )
    message = "config.yaml:10:1: not valid YAML while parsing a flow sequence from line 9"
    assert message in said(done)
    assert "Traceback" not in said(done)
