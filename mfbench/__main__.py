"""The command ``mfbench``, one subcommand per file in mfbench/commands/."""

from __future__ import annotations

import argparse
import sys

from mfbench.commands import status


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand and return its exit code."""
    parser = argparse.ArgumentParser(prog="mfbench", description="What runs of mfbench left.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (status,):
        command.add_to(commands)
    given = parser.parse_args(arguments)
    return int(given.run(given))


if __name__ == "__main__":
    sys.exit(main())
