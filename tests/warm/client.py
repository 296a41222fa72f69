"""Asks the server for a fork, passes signals on to it, and ends as it does."""

import json
import os
import signal
import socket
import sys


def main(address: str, *arguments: str) -> None:
    """Run `python ARGUMENTS`."""
    asked = {
        "arguments": arguments,
        "folder": os.getcwd(),  # noqa: PTH109 (pathlib takes long to import)
        "environment": dict(os.environ),
    }
    with socket.socket(socket.AF_UNIX) as connection, connection.makefile("rw") as stream:
        connection.connect(address)
        socket.send_fds(connection, [b"\0"], [0, 1, 2])
        print(json.dumps(asked), file=stream, flush=True)
        pid = int(stream.readline())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: os.killpg(pid, number))
        status = int(stream.readline())
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
