"""The command ``mfbench``, one subcommand per file in mfbench/commands/."""

from __future__ import annotations

import argparse
import sys

from mfbench.commands import cube, merge, status


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="mfbench", description="Look at studies and put cubes together."
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in (status, cube, merge):
        command.add_to(commands)
    given = parser.parse_args(arguments)
    return int(given.run(given))


if __name__ == "__main__":
    sys.exit(main())
