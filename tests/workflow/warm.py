"""Snakemake, run by a fork of a process that has imported it: that takes longer than small plans.

The fork imports mfbench from the folder in which it runs, like `python -m snakemake`.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


@functools.cache
def _server(hash_seed: str) -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
    )
    atexit.register(server.communicate)  # ends it
    return server


def snakemake(
    arguments: list[str], *, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder."""
    server = _server(environment.get("PYTHONHASHSEED", "random"))
    assert server.stdin is not None
    assert server.stdout is not None
    with tempfile.TemporaryDirectory() as said:
        asked = {"arguments": arguments, "environment": environment}
        asked |= {"folder": str(folder.resolve()), "said": said}
        print(json.dumps(asked), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        out, err = (Path(said, name).read_text() for name in ("out", "err"))
    return subprocess.CompletedProcess(arguments, status, out, err)


def _serve() -> None:
    # What Snakemake and a Snakefile of mfbench import, apart from mfbench.
    for name in ("grimp", "numpy", "pydantic", "scipy.special", "yaml"):
        importlib.import_module(name)
    importlib.import_module("snakemake.cli").get_argument_parser()  # imports plugins
    for line in sys.stdin:
        asked = json.loads(line)
        if (child := os.fork()) == 0:
            _run(**asked)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


def _run(*, arguments: list[str], environment: dict[str, str], folder: str, said: str) -> None:
    from snakemake.cli import main

    for number, name in enumerate(("out", "err"), start=1):
        os.dup2(os.open(f"{said}/{name}", os.O_WRONLY | os.O_CREAT), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[0] = folder
    sys.argv = ["snakemake", *arguments]
    main()


if __name__ == "__main__":
    _serve()
