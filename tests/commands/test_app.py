"""All commands of `mfbench`: help, version, completion, and how they end."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from mfbench.__main__ import main
from mfbench.commands import app
from tests.conftest import REPOSITORY


def test_help_names_each_command_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mfbench.__main__ import main; main(['--help']); "
        "print(*sorted({m.partition('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    *shown, loaded = done.stdout.splitlines()
    assert not set(loaded.split()) & {"torch", "xarray", "numpy", "pydantic", "netCDF4", "altair"}
    for command in ("status", "cube", "merge"):
        assert any(line.startswith(f"  {command} ") for line in shown)
    assert max(map(len, shown)) <= 80
    assert not any("..." in line for line in shown[shown.index("Commands:") :])  # nothing is cut


@pytest.mark.parametrize("command", app.app.registered_commands, ids=lambda c: c.name)
def test_the_help_of_a_command_shows_examples(command, capsys) -> None:
    assert main([command.name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"    mfbench {command.name}" in shown.partition("Examples:")[2]
    text = " ".join(shown.split())
    assert ("Models: dilated_convolution, esn," in text) == (command.name in ("check", "try"))
    assert ("Kernels: airy, damped," in text) == (command.name in ("try", "floors"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "nofile.py:Model"],
        ["check", "Snakefile"],
        ["check", "tests/api/models.py:Gatde"],
        ["try", "rmm", "--kernel", "airy", "--memory-length", "8"],
        ["try", "rnn", "--kernel", "nope", "--memory-length", "8"],
        ["try", "rnn", "--kernel", "airy", "--memory-length", "8", "--with", "none.nc"],
        ["compare", "none.nc", "other.nc"],
        ["merge", "none.nc", "other.nc", "-o", "all.nc"],
    ],
)
def test_a_wrong_name_is_told_before_anything_heavy_is_imported(arguments: list[str]) -> None:
    code = (
        f"import sys; from mfbench.__main__ import main; status = main({arguments}); "
        "print(status, *{'torch', 'xarray', 'pandas'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout in ("1\n", "2\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mfbench {version('mfbench')}\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["statsu"], "mfbench: No such command 'statsu'. Did you mean 'status'? (see mfbench --he"),
        (["merge", "a.nc"], "mfbench merge: Missing option '--output' / '-o' (see mfbench merge -"),
        (
            ["status", "--watch", "x"],
            "mfbench status: Invalid value for '--watch': Input should",
        ),
    ],
)
def test_wrong_arguments_are_named_in_a_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(says)
    assert err.count("\n") == 1


def test_a_shell_completes_commands() -> None:
    environment = {**os.environ, "COMP_WORDS": "mfbench st", "COMP_CWORD": "1"}
    environment["_MFBENCH_COMPLETE"] = "complete_bash"
    command = [sys.executable, "-m", "mfbench"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.split() == ["status"]
