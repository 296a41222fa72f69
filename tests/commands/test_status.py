"""What `mfbench status` prints, and how it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from mfbench.__main__ import main
from mfbench.study.study import load_study
from tests.conftest import REPOSITORY, small_study
from tests.results import FAILED, OK, Results

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["status", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    return lines


def row(lines: list[str], name: str) -> list[str]:
    """The first line of a row, without its name."""
    (found,) = [line for line in lines if line.startswith(f"{name} ") and "/" in line]
    return re.split(r"\s{2,}", found.strip())[1:]


def test_the_table_has_a_row_per_architecture_and_a_column_per_kernel(
    results: Results, capsys: pytest.CaptureFixture[str], easy: float, hard: float
) -> None:
    results.training("rnn", "exponential", {easy: OK, hard: ["ok", "diverged", "ok", "ok"]})
    results.training("s4d", "impulse", {3.0: FAILED}, message="leaks [the] future")
    results.evaluation("s4d", "impulse", {3.0: FAILED}, message="leaks [the] future")
    with results.job("rnn", "impulse", 3.0):
        lines = printed(capsys)
    assert "exponential impulse all evaluated" in {" ".join(line.split()) for line in lines}
    assert row(lines, "rnn") == ["1/2 1d", "0/1 1r", "1/3 1r 1d", "0/3"]
    assert row(lines, "s4d") == ["0/2 2m", "0/1 1f", "0/3 1f 2m", "1/3"]
    assert row(lines, "all") == ["1/4 1d 2m", "0/2 1r 1f", "1/6 1r 1f 1d 2m", "1/6"]
    text = "\n".join(lines)
    assert (
        "1 done, 1 running, 1 failed, 1 diverged, 0 extended, 2 missing\nmembers: 1 diverged"
        in text
    )
    assert "s4d, width 4, impulse, rho = 3: leaks [the] future" in text
    assert "logs/training/study/s4d/width=4/impulse/part=1.log" in text


def test_what_needs_attention_is_listed_up_to_a_limit(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(KeyboardInterrupt), results.job("rnn", "impulse", 3.0):
        raise KeyboardInterrupt
    broken = results.training("s4d", "impulse", {3.0: OK})
    broken.write_text("no NetCDF")
    text = " ".join(" ".join(printed(capsys)).split())
    assert "1 interrupted, to be continued by the next run: rnn, width 4, impulse, rho = 3" in text
    assert f"1 unreadable file: {broken}" in text
    assert "outdated" not in text
    study = {**small_study(), "kernels": {"impulse": {"rho": [*range(1, 8)]}}}
    Path("config.yaml").write_text(yaml.safe_dump(study))
    many = Results(load_study(study))
    levels = {float(rho): FAILED for rho in range(1, 8)}
    many.training("rnn", "impulse", levels, message="broke here")
    text = " ".join(" ".join(printed(capsys)).split())
    assert "7 failed: rnn, width 4, impulse, rho = 1 and 6 other cells: broke here see" in text
    outdated = Results(
        load_study({**study, "evaluation": {}, "task": {**study["task"], "seed": 7}})
    )
    for name in ("rnn", "s4d"):
        outdated.training(name, "impulse", dict.fromkeys(levels, OK))
    assert "  and 3 more: --failed shows all" in printed(capsys)
    assert not any("more" in line for line in printed(capsys, "--failed"))


def test_names_and_numbers_of_a_large_study_are_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    study = small_study()
    study["task"]["length"] = 128
    lengths = {"memory_length": [*range(2, 34)]}
    kernels = dict.fromkeys(("exponential", "polynomial", "airy"), lengths)
    study["kernels"] = {**kernels, "impulse": {"rho": [*range(1, 33)]}}
    study["architectures"] = {
        "a-name-of-26-characters-abc": {"model": "rnn", "widths": [*range(1, 6)]},
        "rnn": {"widths": [*range(1, 6)]},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    lines = printed(capsys)
    assert any("1280 cells" in line for line in lines)
    assert row(lines, "rnn")[-1] == "0/640"
    assert " ".join(row(lines, "rnn")).count("0/160") == 4
    assert not any("…" in line for line in lines)


COUNTS = {
    *("cells", "done", "running", "failed", "diverged", "extended", "missing"),
    *("interrupted", "outdated", "unreadable", "evaluated", "diverged_members", "members_to_train"),
}
CELL = {
    *("architecture", "width", "kernel", "rho", "phase", "state", "reason"),
    *("message", "log", "diverged_members", "members_to_train", "evaluated", "job"),
}


def test_json_is_all_that_is_printed_and_keeps_its_keys(
    results: Results, capsys: pytest.CaptureFixture[str], easy: float
) -> None:
    results.training("rnn", "impulse", {3.0: OK})
    with results.job("rnn", "exponential", easy):
        assert main(["status", "--json", "config.yaml"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["study"], document["results"]) == ("small", "results/small")
    assert document["members_per_cell"] == 4
    assert document["total"].keys() == COUNTS
    assert {key for row in document["counts"] for key in row} == COUNTS | {"architecture", "kernel"}
    assert {key for row in document["cells"] for key in row} == CELL
    assert document["problems"] == []
    assert len(document["cells"]) == document["total"]["cells"] == 6
    assert [(c["architecture"], c["kernel"], c["cells"]) for c in document["counts"]] == [
        ("rnn", "exponential", 2),
        ("rnn", "impulse", 1),
        ("s4d", "exponential", 2),
        ("s4d", "impulse", 1),
    ]
    (running,) = [c for c in document["cells"] if c["state"] == "running"]
    assert running["job"].keys() == {"host", "pid", "slurm_job_id", "started"}
    assert running["rho"] == easy


@pytest.mark.parametrize("arguments", [["--watch", "0"], ["--json", "--watch", "1"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    assert main(["status", *arguments]) == 2


def test_it_imports_neither_torch_nor_xarray(results: Results) -> None:
    results.training("rnn", "impulse", {3.0: OK})
    code = (
        "import sys; from mfbench.__main__ import main; main(['status']); "
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert {"mfbench", "rich", "netCDF4"} <= loaded
    assert not loaded & {"torch", "xarray", "pandas", "altair", "snakemake", "grimp"}


def test_watching_looks_again_until_it_is_interrupted(results: Results) -> None:
    """In a real terminal, where the screen is cleared in between."""
    # Shells start their background jobs, which pytest may be one of, with the signal ignored.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heed}; from mfbench.__main__ import main; raise SystemExit(main())"
    command = [sys.executable, "-c", code, "status", "--watch", "0.1"]
    ours, theirs = pty.openpty()
    watch = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=ENVIRONMENT)
    os.close(theirs)
    try:
        seen = b""
        while seen.count(b"0 done") < 2:
            seen += os.read(ours, 65536)
        results.training("rnn", "impulse", {3.0: OK})
        while b"1 done" not in seen:
            seen += os.read(ours, 65536)
        watch.send_signal(signal.SIGINT)
        with suppress(OSError):  # EIO: the other side has closed the terminal
            while os.read(ours, 65536):  # a process that writes to a full terminal waits
                pass
        assert watch.wait(timeout=120) == 0
    finally:
        watch.kill()
        watch.wait()
        os.close(ours)
