"""Which jobs would run and why, from a plan of Snakemake."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mfbench.workflow.engine import SnakemakeRun
from mfbench.workflow.progress import STAGE_NAMES

_PARAMS = re.compile(r"Params have changed since last execution: .*?before: (.*) now: (.*)")
_LIST = re.compile(r"(.+) = \[(.*)\]")
_DIGEST = re.compile(r"(.+) [0-9a-f]{8}")
# The starts of Snakemake's reasons, and what they mean here.
_REASONS = {
    "Missing output files": "no result yet",
    # Snakemake forces the jobs that it finds unfinished; mfbench forces none.
    "Incomplete output files": "interrupted, will be redone",
    "Forced execution": "interrupted, will be redone",
    "Software environment": "software environment changed",
    "Code has changed": "its script has changed",
}


@dataclass
class PlannedStage:
    """The jobs of one stage that would run.

    Attributes
    ----------
    jobs : int
        Their number.
    reasons : Counter
        By reason, the number of jobs that have it.
    architectures : dict
        By reason, the architectures of these jobs.
    """

    jobs: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    architectures: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def planned(file: str, *, config: Mapping[str, Any]) -> dict[str, PlannedStage]:
    """The jobs that would run now, by Snakemake's rules, in the order of the data.

    Parameters
    ----------
    file : str
        The file of a study that has been checked.
    config : mapping
        Sections and keys that override the study file.

    Raises
    ------
    ValueError
        Snakemake cannot plan the study.
    """
    run = SnakemakeRun(file, task="plan", config=config)
    jobs = [event for event in run.events() if event["kind"] == "job_info"]
    run.check()
    makers = {path: job["rule_name"] for job in jobs for path in job["output"]}
    stages: dict[str, PlannedStage] = {}
    for job in jobs:
        if (rule := job["rule_name"]) == "all":
            continue
        stage = stages.setdefault(rule, PlannedStage())
        stage.jobs += 1
        for reason in set(reasons(job["reason"], makers)):
            stage.reasons[reason] += 1
            if architecture := job["wildcards"].get("architecture"):
                stage.architectures[reason].add(architecture)
    order = [*STAGE_NAMES, *stages]
    return {rule: stages[rule] for rule in sorted(stages, key=order.index)}


def reasons(text: str, makers: Mapping[str, str]) -> list[str]:
    """Snakemake's reason for a job in few words.

    Parameters
    ----------
    text : str
        What Snakemake says.
    makers : mapping
        By file, the rule that makes it.

    Examples
    --------
    >>> reasons("Input files updated by another job: a.nc, b.nc", {"a.nc": "dataset"})
    ['after datasets']
    >>> reasons(
    ...     "Params have changed since last execution: Union of exclusive params before and now "
    ...     "across all output: before: training.seeds = [0, 1] now: training.seeds = [0, 1, 2] ",
    ...     {},
    ... )
    ['seeds added: 2']
    """
    found: list[str] = []
    for part in text.split("; "):
        label, _, files = part.partition(": ")
        if changed := _PARAMS.match(part):
            found += _changes(_items(changed[1]), _items(changed[2]))
        elif label == "Input files updated by another job":
            rules = {makers[path] for path in files.split(", ") if path in makers}
            known = [rule for rule in STAGE_NAMES if rule in rules]
            names = [STAGE_NAMES[rule] for rule in known] + sorted(rules.difference(known))
            found.append(f"after {', '.join(names)}" if names else "after an earlier phase")
        elif label == "Updated input files":
            found.append(f"newer {files}")
        elif not part.startswith("Set of input files"):  # follows from a change that has its reason
            found += [short for start, short in _REASONS.items() if part.startswith(start)] or [
                part
            ]
    if "no result yet" in found:
        return ["no result yet"]
    return found or ["input files changed"]


def _items(text: str) -> list[str]:
    """Params as Snakemake prints them, split at commas that are in no brackets."""
    items, depth = [""], 0
    for character in text.strip():
        depth += (character in "[{(") - (character in "]})")
        if character == "," and not depth:
            items.append("")
        else:
            items[-1] += character
    return [item.strip().strip("'") for item in items if item != "<nothing exclusive>"]


def _changes(before: list[str], now: list[str]) -> Iterator[str]:
    """What differs, a word for each setting or piece of code."""
    lists: dict[str, list[list[str]]] = {}
    for i, items in enumerate((before, now)):
        for item in items:
            if match := _LIST.fullmatch(item):
                both = lists.setdefault(match[1], [[], []])
                both[i] = match[2].split(", ")
    for name, (old, new) in lists.items():
        shown = name.removeprefix("training.").replace("_", " ")
        added, removed = ([v for v in a if v not in b] for a, b in ((new, old), (old, new)))
        if added:
            yield f"{shown} added: {', '.join(added)}"
        if removed:
            yield f"{shown} removed: {', '.join(removed)}"
        if not added and not removed:
            yield f"{shown} in another order"
    digests = {m[1]: None for item in (*before, *now) if (m := _DIGEST.fullmatch(item))}
    yield from (f"{name} changed" for name in digests)
    if not lists and not digests:
        yield "settings changed"
