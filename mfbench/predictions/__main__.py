"""Print the scoreboard of one or more studies: ``python -m mfbench.predictions CUBE...``."""

from __future__ import annotations

import argparse
import sys

from mfbench.cube.read import open_benchmark
from mfbench.predictions.scoreboard import (
    deciding,
    judge_predictions,
    plain_text,
    write_scoreboard,
)


def main(arguments: list[str] | None = None) -> None:
    """Judge all predictions on the given cubes, print the scoreboard and write it on request."""
    parser = argparse.ArgumentParser(prog="python -m mfbench.predictions", description=__doc__)
    parser.add_argument("cube", nargs="+", help="results/<study>/cubes/benchmark.nc")
    parser.add_argument(
        "--output", metavar="NAME", help="also write NAME.csv, NAME.md and NAME.txt"
    )
    given = parser.parse_args(arguments)
    table = judge_predictions(*(open_benchmark(path) for path in given.cube))
    sys.stdout.write(plain_text(deciding(table)))
    if given.output:
        write_scoreboard(table, **{kind: f"{given.output}.{kind}" for kind in ("csv", "md", "txt")})


if __name__ == "__main__":
    main()
