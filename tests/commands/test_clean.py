"""`mfbench clean` removes what a study no longer needs, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mfbench.__main__ import main
from mfbench.files import write_json
from tests.conftest import small_study
from tests.results import Results

FOLDER = Path("results/small")
REFINE = {
    "groups": [
        {
            "architecture": "rnn",
            "width": 4,
            "kernel": "impulse",
            "levels": [{"memory_length": 6, "rho": 5.0}],
        }
    ]
}


def written(results: Results, *, phases: tuple[str, ...] = ("study",)) -> set[Path]:
    """Files of a study as a run leaves them, and some that mfbench does not know."""
    paths = results.paths
    for kernel in results.study.kernels:
        rhos = [level.rho for level in results.study.levels(kernel)]
        rhos += [5.0] if "refine" in phases and kernel == "impulse" else []
        for rho in rhos:
            task = {"kernel": kernel, "rho": rho}
            make(*(paths.file(kind, **task) for kind in ("dataset", "floors", "baselines")))
            for name in results.study.architectures:
                group = {"architecture": name, "width": 4, "kernel": kernel}
                for seed in (0, 1):
                    run = f"steps=12,learning_rate=0.003,seed={seed}"
                    make(paths.file("checkpoint", rho=rho, run=run, **group))
                for phase in phases:
                    make(
                        paths.file("record", phase=phase, part=1, **group),
                        paths.file("weights", phase=phase, part=1, **group),
                        paths.file("evaluation", phase=phase, **group),
                    )
    make(paths.file("benchmark"), paths.file("report"))
    make(f"{FOLDER}/notes.txt", f"{FOLDER}/checkpoints/rnn/width=4/impulse/mine.nc")
    return files()


def make(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x" * 1500)


def files() -> set[Path]:
    return {path for path in FOLDER.rglob("*") if path.is_file()}


def save(**changes: Any) -> None:
    Path("config.yaml").write_text(yaml.safe_dump(small_study() | changes))


def cleaned(before: set[Path]) -> set[str]:
    """What the command removes, with the folder of results left out."""
    assert main(["clean", "--yes"]) == 0
    gone = before - files()
    assert not [path for path in gone if path.parent.is_dir() and not any(path.parent.iterdir())]
    return {path.relative_to(FOLDER).as_posix() for path in gone}


def test_nothing_of_the_study_is_removed(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cleaned(written(results)) == set()
    assert "holds nothing that the study no longer needs" in capsys.readouterr().out


def test_what_was_removed_from_the_study_is_removed(results: Results, hard: float) -> None:
    before = written(results)
    save(
        architectures={"rnn": {"widths": [4]}},
        kernels={"exponential": {"memory_length": [2]}, "impulse": {"rho": [3]}},
        training=small_study()["training"] | {"seeds": [0]},
    )
    gone = cleaned(before)
    kept = {path.relative_to(FOLDER).as_posix() for path in files()}
    assert not any("s4d" in path or "seed=1" in path or str(hard) in path for path in kept)
    assert all("s4d" in path or "seed=1" in path or str(hard) in path for path in gone)
    assert {"notes.txt", "checkpoints/rnn/width=4/impulse/mine.nc", "report.html"} <= kept


def test_a_phase_that_the_study_no_longer_has_is_removed(results: Results) -> None:
    write_json(results.paths.file("cells", phase="refine"), REFINE)
    write_json(results.paths.file("cube", phase="study"), {})
    before = written(results, phases=("study", "refine"))
    save(refine={"levels": 2})
    # What the list of the phase does not name was never made by it.
    group = "refine/rnn/width=4/impulse"
    refined = {p for p in cleaned(before) if "/refine/" in p}
    assert not any(group in path for path in refined)
    assert "training/refine/s4d/width=4/impulse/part=1.nc" in refined
    Path(results.paths.file("cells", phase="refine")).unlink()
    before = files()
    assert cleaned(before) == set()  # until the phase has a list again
    write_json(results.paths.file("cells", phase="refine"), REFINE)
    save()
    gone = cleaned(files())
    assert {"phases/refine.json", "cubes/study.nc", "datasets/impulse/rho=5.nc"} <= gone
    assert all("refine" in p or "rho=5" in p or p == "cubes/study.nc" for p in gone)


def test_it_lists_first_and_removes_nothing_unasked(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(results)
    save(architectures={"rnn": {"widths": [4]}})
    assert main(["clean"]) == 0
    assert files() == before
    shown = capsys.readouterr().out
    assert "3.0 kB  results/small/training/study/s4d/width=4/impulse (2 files)" in shown
    assert "Nothing was removed; --yes removes them." in shown
    assert main(["clean", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {Path(entry["file"]) for entry in document["files"]} == {
        p for p in before if "s4d" in str(p)
    }
    assert all(entry["bytes"] == 1500 for entry in document["files"])
    assert files() == before


def test_a_folder_that_is_not_here_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save()
    assert main(["clean"]) == 1
    assert "there is no folder results/small here" in capsys.readouterr().err


def test_a_folder_in_use_or_of_another_study_is_left_alone(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    before = written(results)
    save(architectures={"rnn": {"widths": [4]}})
    with results.job("rnn", "impulse", 3.0):
        assert main(["clean", "--yes"]) == 1
    assert "mfbench clean: a job of this study is running" in capsys.readouterr().err
    (FOLDER / ".study").write_text("other.yaml\n")
    assert main(["clean", "--yes"]) == 1
    assert "belongs to the study file other.yaml" in capsys.readouterr().err
    assert before <= files()
