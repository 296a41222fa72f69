"""Where the files of a study lie and what their names mean.

No other module formats or parses a path. A pattern has names in braces, as Snakemake wants them;
`Paths.file` fills them in.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

# What a name in a path may look like: wildcard constraints of the workflow.
WILDCARDS = {
    "architecture": r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    "width": r"\d+",
    "kernel": r"[A-Za-z0-9][A-Za-z0-9_.+-]*",
    "rho": r"[0-9.e+-]+",
    "phase": "pilot|study|refine|diagnose",
    "part": r"\d+",
    "run": r"steps=\d+,learning_rate=[0-9.e+-]+,seed=\d+",
}
_GROUP = "{architecture}/width={width}/{kernel}"
_PATTERNS = {
    "dataset": "datasets/{kernel}/rho={rho}.nc",
    "floors": "floors/{kernel}/rho={rho}.nc",
    "baselines": "baselines/{kernel}/rho={rho}.nc",
    "record": f"training/{{phase}}/{_GROUP}/part={{part}}.nc",
    "weights": f"training/{{phase}}/{_GROUP}/part={{part}}.safetensors",
    "job": f"jobs/{_GROUP}/rho={{rho}}.json",
    "checkpoints": f"checkpoints/{_GROUP}/rho={{rho}}",
    "checkpoint": f"checkpoints/{_GROUP}/rho={{rho}}/{{run}}.safetensors",
    "evaluation": f"evaluation/{{phase}}/{_GROUP}.nc",
    "cells": "phases/{phase}.json",
    "evaluated": "phases/{phase}_evaluated.json",
    "listed_baselines": "phases/{phase}_baselines.json",
    "cube": "cubes/{phase}.nc",
    "benchmark": "cubes/benchmark.nc",
    "figure": "figures/{figure}.{kind}",
    "report": "report.html",
    "scoreboard": "scoreboard.{kind}",
}
# Only these are parsed: no other file has to match its name.
_PARSED = {
    kind: re.compile(
        "(?:.*/)?"
        + re.sub(r"\\{(\w+)\\}", lambda m: f"(?P<{m[1]}>{WILDCARDS[m[1]]})", re.escape(pattern))
    )
    for kind, pattern in _PATTERNS.items()
    if kind
    in ("dataset", "floors", "baselines", "record", "weights", "job", "checkpoint", "evaluation")
}


class Paths:
    """The files of one study.

    Parameters
    ----------
    results : path
        The study's folder of results.

    Examples
    --------
    >>> paths = Paths("results/smoke")
    >>> paths.pattern("floors")
    'results/smoke/floors/{kernel}/rho={rho}.nc'
    >>> paths.file("floors", kernel="airy", rho=0.5)
    'results/smoke/floors/airy/rho=0.5.nc'
    """

    def __init__(self, results: str | Path) -> None:
        self.results = Path(results).as_posix()

    def pattern(self, kind: str) -> str:
        """Path of a kind of file, with the names of its wildcards in braces."""
        return f"{self.results}/{_PATTERNS[kind]}"

    def file(self, kind: str, /, **names: Any) -> str:
        """Path of one file."""
        if isinstance(names.get("rho"), float):
            names["rho"] = rho_text(names["rho"])
        return self.pattern(kind).format(**names)

    def existing(self, kind: str, **names: Any) -> list[str]:
        """The files of a kind that there are, with any value of the names that are not given."""
        pattern = _PATTERNS[kind].format(**dict.fromkeys(WILDCARDS, "*") | names)
        return sorted(path.as_posix() for path in Path(self.results).glob(pattern))

    def log(self, kind: str) -> str:
        """Pattern of the log of the job that makes a kind of file."""
        return f"{self.results}/logs/{_without_suffix(kind)}.log"

    def benchmark(self, kind: str) -> str:
        """Pattern of what Snakemake measures of the job that makes a kind of file."""
        return f"{self.results}/benchmarks/{_without_suffix(kind)}.tsv"


def named(path: str | Path) -> dict[str, Any]:
    """What a file must hold by its path; nothing for a file that lies elsewhere.

    Returns
    -------
    dict
        Of ``kernel``, ``rho`` (a float), ``phase``, ``architecture``, ``width`` (an int), ``part``
        (an int) and ``run``, those that the name says.

    Examples
    --------
    >>> named("results/smoke/evaluation/study/s4d/width=8/airy.nc")
    {'phase': 'study', 'architecture': 's4d', 'width': 8, 'kernel': 'airy'}
    """
    types = {"rho": float, "width": int, "part": int}
    for pattern in _PARSED.values():
        if match := pattern.fullmatch(Path(path).as_posix()):
            return {k: types.get(k, str)(v) for k, v in match.groupdict().items()}
    return {}


def rho_text(rho: float) -> str:
    """A rho as it stands in names of files and weights.

    The levels of a study have 12 digits, so that ``float(rho_text(rho)) == rho``.

    Examples
    --------
    >>> rho_text(4.0), rho_text(0.25)
    ('4', '0.25')
    """
    return f"{rho:.12g}"


def _without_suffix(kind: str) -> str:
    return _PATTERNS[kind].rpartition(".")[0]
