"""State of every cell of a study, from its files."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from mfbench.files import BrokenFileError, read_json
from mfbench.status.record import Kind, Record, UnreadableError, read_record
from mfbench.status.state import Cell, Group, StudyStatus
from mfbench.study.study import Study
from mfbench.training.status import STATUS
from mfbench.workflow.job_state import JobState, read_states
from mfbench.workflow.packs import levels_of, packs_in, plan_packs
from mfbench.workflow.plan import evaluation_settings, training_settings

_MANY = 500  # files from which on it pays to start processes
_DIVERGED, _FAILED = STATUS.index("diverged"), STATUS.index("failed")

Known = dict[str, tuple[tuple[int, ...], Record | UnreadableError | None]]


def study_status(study: Study, *, processes: int = 1, known: Known | None = None) -> StudyStatus:
    """State of every cell of a study, from its files.

    Files may come and go meanwhile: states of jobs are read before their records, so that a job
    that ends in between is counted as done.

    Parameters
    ----------
    study : Study
        The study; its folder of results is taken from where this process runs, as Snakemake does.
    processes : int
        Processes that read, where there are many files.
    known : dict, optional
        What an earlier call has read; unchanged files are not read again. It is filled.
    """
    results = Path(study.results)
    problems: list[str] = []
    jobs = _jobs(results / "jobs", problems)
    passes = _passes(study, results, problems)
    kinds: dict[str, Kind] = {}
    for p in passes:
        if p.records:
            kinds |= dict.fromkeys(p.records.values(), "training")
            kinds[p.evaluation] = "evaluation"
    found = _read_all(kinds, {} if known is None else known, processes)
    problems += [f"{path}: {r}" for path, r in found.items() if isinstance(r, UnreadableError)]

    models = {(name, width) for name, width, _ in study.groups()}
    trainings = {m: training_settings(study, architecture=m[0], width=m[1]) for m in models}
    evaluations = {m: evaluation_settings(study, architecture=m[0], width=m[1]) for m in models}
    cells: list[Cell] = []
    evaluated: dict[Group, bool] = {}
    for p in passes:
        training = trainings[p.group[:2]]
        evaluation = _made_by(found.get(p.evaluation), evaluations[p.group[:2]])
        for rho, memory_length in p.levels.items():
            left = found.get(p.records.get(rho, ""))
            record = _made_by(left, training)
            judged = evaluation if record and _covers(evaluation, record, rho) else None
            evaluated[p.group] = evaluated.get(p.group, True) and judged is not None
            job = jobs.get((p.group, rho))
            outcomes = {p.records.get(rho, ""): record, p.evaluation: judged}
            state = _outcome(outcomes, rho) or _of_job(job, training) or _left_over(left)
            if state["state"] == "failed":
                state["log"] = _log_of(state["log"], results)
            cells.append(Cell(*p.group, rho, memory_length, p.added, **state))
    return StudyStatus(
        name=study.name,
        results=study.results,
        members=len(study.training.learning_rates) * len(study.training.seeds),
        cells=tuple(cells),
        evaluated=evaluated,
        problems=tuple(problems),
    )


@dataclass(frozen=True)
class _Pass:
    """The levels of a group that one evaluation holds, and the files that are theirs."""

    group: Group
    added: bool
    levels: Mapping[str, int]  # M99 by rho, from easy to hard
    records: Mapping[str, str]  # by rho, where there is one
    evaluation: str


def _passes(study: Study, results: Path, problems: list[str]) -> list[_Pass]:
    added = _added_levels(study, results, problems)
    passes = []
    for group in study.groups():
        architecture, width, kernel = group
        own = {level.rho: level.memory_length for level in study.levels(kernel)}
        place = f"{architecture}/width={width}/{kernel}"
        for levels, ending in ((own, ".nc"), (added.get(group, {}), ".refined.nc")):
            records = _records(results / "training" / place, list(levels))
            evaluation = str(results / "evaluation" / (place + ending))
            if levels:
                passes.append(_Pass(group, levels is not own, levels, records, evaluation))
    return passes


def _records(folder: Path, levels: list[str]) -> dict[str, str]:
    """The records that Snakemake takes the levels from, by rho."""
    existing = packs_in(folder)
    # The size decides what packs are called that are not there yet, and nothing else.
    planned = plan_packs(levels, size=1, existing=existing) if existing else []
    return {
        rho: f"{folder}/rho={pack}.nc"
        for pack in planned
        if pack in existing
        for rho in levels_of(pack)
    }


def _added_levels(study: Study, results: Path, problems: list[str]) -> dict[Group, dict[str, int]]:
    """M99 by rho of the levels that the second pass adds, once it is known which."""
    path = results / "refined_levels.json"
    if study.refine is None:
        return {}
    try:
        return {
            (g["architecture"], g["width"], g["kernel"]): {
                level["rho"]: level["memory_length"] for level in g["levels"]
            }
            for g in read_json(path)["groups"]
        }
    except FileNotFoundError:
        return {}
    except (OSError, BrokenFileError) as error:
        problems.append(str(error))
        return {}


def _jobs(folder: Path, problems: list[str]) -> dict[tuple[Group, str], JobState]:
    """The state of the job of each cell; of several, the running one, else the latest."""
    jobs: dict[tuple[Group, str], JobState] = {}
    for job in read_states(folder):
        try:
            if job.state == "unreadable":
                raise ValueError(job.message)
            architecture, width, kernel, name = job.path.relative_to(folder).parts
            group = (architecture, int(width.removeprefix("width=")), kernel)
            rhos = levels_of(name.removeprefix("rho=").removesuffix(".json"))
        except ValueError as error:
            problems.append(f"{job.path}: {error}")
            continue
        for rho in rhos:
            jobs[group, rho] = max(jobs.get((group, rho), job), job, key=_rank)
    return jobs


def _rank(job: JobState) -> tuple[bool, str]:
    return job.state == "running", str(job.about.get("started", ""))


def _read_all(
    kinds: Mapping[str, Kind], known: Known, processes: int
) -> dict[str, Record | UnreadableError | None]:
    """Read files, but those that are known and have not changed."""
    marks = {path: _mark(path) for path in kinds}
    new = {path: k for path, k in kinds.items() if known.get(path, ((), None))[0] != marks[path]}
    if min(processes, len(new) // _MANY) > 1:
        # Fresh processes: netCDF4 is not safe in threads, and forks do not get on with them.
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            found = list(pool.map(read_record, new, new.values(), chunksize=64))
    else:
        found = [read_record(path, kind) for path, kind in new.items()]
    known |= {path: (marks[path], record) for path, record in zip(new, found, strict=True)}
    return {path: known[path][1] for path in kinds}


def _mark(path: str) -> tuple[int, ...]:
    """What changes with the content of a file that is replaced as a whole."""
    try:
        at = Path(path).stat()
    except OSError:
        return (0,)
    return (at.st_ino, at.st_size, at.st_mtime_ns)


def _made_by(found: object, settings: Mapping[str, Any]) -> Record | None:
    """The record, where it was made with these settings among others."""
    return found if isinstance(found, Record) and _contains(found.settings, settings) else None


def _contains(settings: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(key in settings and settings[key] == value for key, value in wanted.items())


def _covers(evaluation: Record | None, record: Record, rho: str) -> bool:
    """Whether an evaluation holds a level as it is trained."""
    return (
        evaluation is not None
        and float(rho) in evaluation.rho
        and evaluation.written >= record.written
    )


def _outcome(records: Mapping[str, Record | None], rho: str) -> dict[str, Any]:
    """How a cell ended by its training, and by its evaluation, where there are these."""
    outcome: dict[str, Any] = {}
    for path, record in records.items():
        if record is None:
            continue
        level = record.rho.index(float(rho))
        status = record.statuses[level]
        if _FAILED in status:
            message = record.failure[level] if record.failure else ""
            return {"state": "failed", "message": message, "log": path}
        diverged = sum(code == _DIVERGED for code in status)
        outcome = {"state": "diverged" if diverged else "done", "diverged_members": diverged}
    return outcome


def _of_job(job: JobState | None, training: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a cell by its job, if that works with the study's settings."""
    if job is None or not _contains(job.about.get("settings", training), training):
        return {}
    if job.state == "running":
        about = {key: job.about.get(key) for key in ("host", "pid", "slurm_job_id", "started")}
        return {"state": "running", "job": about}
    if job.state == "failed":
        return {"state": "failed", "message": job.message, "log": job.path}
    return {"state": "missing", "reason": "interrupted"}


def _log_of(file: str | Path, results: Path) -> str:
    """The log of the job that wrote a record, an evaluation, or its own state."""
    stage, *place = Path(file).relative_to(results).with_suffix(".log").parts
    return str(results.joinpath("logs", "training" if stage == "jobs" else stage, *place))


def _left_over(found: Record | UnreadableError | None) -> dict[str, Any]:
    """A cell of which nothing of use is there."""
    if isinstance(found, UnreadableError):
        return {"state": "missing", "reason": "unreadable", "message": str(found)}
    return {"state": "missing", "reason": "" if found is None else "outdated"}
