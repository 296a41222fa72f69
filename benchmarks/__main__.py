"""Performance in one table, every figure a ratio from interleaved runs.

Times: loops 4 min, growth 4, members 10, study 7 a round on two cores.
For GPUs there is `python -m benchmarks.gpu`.
The table is also kept as benchmarks/results/<commit>.md; another run of the same commit adds to it.
"""

from __future__ import annotations

import argparse
import datetime
import shlex
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from benchmarks import growth, loops, members, study
from benchmarks.table import HEAD, ROOT, Options, hardware
from benchmarks.tree import checked_out, commit
from mfbench.training.device import prepare_process

PARTS = {
    "loops": loops.rows,
    "growth": growth.rows,
    "members": members.rows,
    "study": study.rows,
}
DEFAULT = ["loops", "growth"]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=DEFAULT, help=f"default: {' '.join(DEFAULT)}"
    )
    parser.add_argument("--against", default="91fb009", help="commit to compare a study with")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--study-rounds", type=int, default=2, help="runs of a whole study")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try the code")
    given = parser.parse_args()
    prepare_process(threads=1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the other tree is removed all the same
    kept = ROOT / "benchmarks" / "results" / f"{commit()}.md"
    kept.parent.mkdir(exist_ok=True)
    with ExitStack() as stack:
        file = stack.enter_context(kept.open("a"))
        compare = "study" in given.parts
        against = stack.enter_context(checked_out(given.against)) if compare else Path()
        options = Options(
            against, given.against, given.rounds, given.study_rounds, quick=given.quick
        )
        now = datetime.datetime.now(datetime.UTC)
        say(file, f"`{shlex.join(['python', '-m', 'benchmarks', *sys.argv[1:]])}`")
        say(file, f"of {kept.stem}, {now:%Y-%m-%d %H:%M} UTC")
        say(file, f"{hardware()}\n\n{HEAD}")
        for part in given.parts:
            for row in PARTS[part](options):
                say(file, str(row))
        say(file, "")


def say(file: TextIO, line: str) -> None:
    """On the screen and into the file, at once."""
    for stream in (sys.stdout, file):
        print(line, file=stream, flush=True)


if __name__ == "__main__":
    main()
