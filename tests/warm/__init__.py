"""A Python that starts in no time, because each process is a fork of one that has the libraries.

Importing torch or Snakemake takes longer than most of what tests do with them in processes of their
own. A fork imports mfbench itself as any process does, from its folder or PYTHONPATH.
"""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
_PROGRAM = """#!/bin/sh
exec "{python}" -I -S "{client}" "{socket}" "$@"
"""


def run(
    *arguments: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `python ARGUMENTS` in a folder; the processes that it starts are forks, too."""
    program = python(environment.get("PYTHONHASHSEED", "random"))
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@functools.cache
def python(hash_seed: str = "random") -> str:
    """Path of a program that takes the arguments of Python: -P, -m, -c or a script."""
    folder = tempfile.TemporaryDirectory(prefix="warm")
    program, socket = Path(folder.name, "python"), Path(folder.name, "socket")
    program.write_text(
        _PROGRAM.format(python=sys.executable, client=_HERE / "client.py", socket=socket)
    )
    program.chmod(0o700)
    server = subprocess.Popen(
        [sys.executable, _HERE / "server.py", socket, program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"

    def end() -> None:
        server.communicate()  # it ends with its input
        folder.cleanup()

    atexit.register(end)
    return str(program)
