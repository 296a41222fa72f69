"""Has imported the libraries of mfbench, not mfbench, and runs Python in forks of itself."""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback
import types
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LIBRARIES = (
    *("altair", "grimp", "netCDF4", "numpy", "pandas", "pydantic", "rich.live"),
    *("safetensors.torch", "scipy.signal", "scipy.special", "snakemake.api", "snakemake.cli"),
    *("snakemake.script", "torch.export", "torch.func", "typer", "vl_convert", "xarray", "yaml"),
)


def serve(address: str, program: str) -> None:
    """Fork for each connection, until standard input ends."""
    base = sys.path[1:]
    for name in LIBRARIES:
        importlib.import_module(name)
    sys.modules["snakemake.cli"].get_argument_parser()  # imports plugins
    gc.freeze()  # a fork's collector leaves the memory that it shares alone
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(64)
        print("ready", flush=True)  # noqa: T201
        while True:
            readable, _, _ = select.select([server, sys.stdin], [], [])
            if sys.stdin in readable:
                return
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _attend(connection, base, program)
            connection.close()


def _attend(connection: socket.socket, base: list[str], program: str) -> None:
    """Run what one client asks for; if the client is killed, so is what it runs."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, outputs, _, _ = socket.recv_fds(connection, 1, 3)
    stream = connection.makefile("rw")
    asked = json.loads(stream.readline())
    if (pid := os.fork()) == 0:
        os.setsid()
        for number, output in enumerate(outputs):
            os.dup2(output, number)
            os.close(output)
        connection.detach()
        _end(_status_of(lambda: _run(**asked, base=base, program=program)))
    print(pid, file=stream, flush=True)
    for output in (0, 1, 2, *outputs):  # else who reads from them waits for their end
        os.close(output)
    ended = 0
    while not ended:
        if select.select([connection], [], [], 0.01)[0]:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os._exit(0)
        ended, status = os.waitpid(pid, os.WNOHANG)
    print(os.waitstatus_to_exitcode(status), file=stream, flush=True)
    os._exit(0)


def _status_of(run: Callable[[], None]) -> int:
    """What Python would end with; it says why, as Python does."""
    try:
        run()
    except SystemExit as error:
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)  # noqa: T201
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        traceback.print_exc()
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _end(status: int) -> None:
    """End without freeing all objects of the libraries, which takes seconds after a fork."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


def _run(
    *,
    arguments: list[str],
    environment: dict[str, str],
    folder: str,
    base: list[str],
    program: str,
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.executable = program
    sys.stdin, sys.stdout = os.fdopen(0), os.fdopen(1, "w")
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace")
    own = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [*filter(None, own), *base]
    if safe := arguments[0] == "-P":
        arguments = arguments[1:]
    kind, *rest = arguments
    if not safe:
        sys.path.insert(0, {"-m": folder, "-c": ""}.get(kind, str(Path(kind).parent)))
    if kind == "-m":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif kind == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    else:
        sys.argv = arguments
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    serve(*sys.argv[1:])
