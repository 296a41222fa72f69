"""How a study grows: planning, planning again when all is done, and the cube.

Nothing is trained. For the plans all files are empty and Snakemake only touches them; for the
cube one real evaluation is copied under other names. Seconds of processor time (one core)
and peak memory, each of a process of its own; the clock is shown too.
Usage: python benchmarks/scale.py [--cells 1000 10000 50000] [--evaluations 1000 10000 50000]
    [--levels 10] [--cells-per-job auto] [--architecture-cells 200] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import netCDF4
import numpy as np
import yaml

from mfbench.files.integrity import seal

ROOT = Path(__file__).resolve().parent.parent
KERNELS = ("exponential", "polynomial", "impulse", "airy")
WIDTHS = (4, 8, 16, 32, 64)
MODELS = ("rnn", "gru", "lstm", "tcn", "transformer", "s4d", "lru")

SNAKEMAKE = (sys.executable, "-m", "snakemake")
RUN = ("--cores", "2", "--configfile", "study.yaml", "--quiet", "rules")
CUBE = "results/scale/cubes/benchmark.nc"

PART = 80  # evaluations that are touched at a time
# Snakemake waits a tenth of a second with every file that it touches.
TOUCH = "import sys, time; time.sleep = lambda s: None; from snakemake.cli import main; main()"
ASSEMBLE = """
import sys, json
from mfbench.cube.assemble import assemble_cube
given = json.load(open(sys.argv[1]))
assemble_cube(given.pop("path"), given.pop("sources"), **given)
"""


class Cost(NamedTuple):
    """What a process cost."""

    processor: float  # s, user and system, of all processes
    clock: float  # s
    memory: float  # MB, peak of the largest process

    def __str__(self) -> str:
        return f"{self.processor:.1f} ({self.clock:.1f}) s, {self.memory:.0f} MB"


def measured(*command: str, folder: Path, says: str = "") -> Cost:
    """Run a command to its end, at which it must have said something."""
    with tempfile.TemporaryFile() as said:
        started = time.monotonic()
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"},
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        clock = time.monotonic() - started
        said.seek(0)
        text = said.read().decode()
        if process.returncode or says not in text:
            raise SystemExit(text[-3000:])
    return Cost(usage.ru_utime + usage.ru_stime, clock, usage.ru_maxrss / 1024)


def make_study(
    cells: int, *, levels: int, per_architecture: int, cells_per_job: int | str
) -> dict[str, Any]:
    """A study of so many cells: architectures at five widths and on four kernels."""
    lengths = np.unique(np.geomspace(4, 256, levels).round().astype(int)).tolist()
    if len(lengths) < levels:
        raise SystemExit(f"--levels {levels}: at most {len(lengths)} fit")
    widths = WIDTHS[: max(1, per_architecture // (levels * len(KERNELS)))]
    count = math.ceil(cells / (levels * len(KERNELS) * len(widths)))
    return {
        "name": "scale",
        "task": {"length": 512},
        "kernels": {kernel: {"memory_length": lengths} for kernel in KERNELS},
        "architectures": {
            f"a{i:05d}": {"model": MODELS[i % len(MODELS)], "widths": list(widths)}
            for i in range(count)
        },
        "training": {"steps": 100, "device": "cpu", "cells_per_job": cells_per_job},
    }


def copy_of_the_tree(folder: Path, tree: Path = ROOT) -> None:
    """What a run needs of the project."""
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(tree / name, folder / name)
    for name in ("rules", "profiles", "mfbench", "workflow_scripts", "envs"):
        shutil.copytree(tree / name, folder / name)


def dry_run(study: dict[str, Any], folder: Path) -> Cost:
    """The cost of a study's dry run in a new folder."""
    folder.mkdir()
    copy_of_the_tree(folder)
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return measured(*SNAKEMAKE, "--dry-run", CUBE, *RUN, folder=folder)


def plan(study: dict[str, Any], folder: Path) -> tuple[int, Cost, Cost]:
    """Jobs of a study, the cost of its dry run, and that of a run when all is done."""
    fresh = dry_run(study, folder)
    listed = subprocess.run(
        [*SNAKEMAKE, "--summary", CUBE, *RUN],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    files = [line.split("\t")[0] for line in listed.stdout.splitlines()[1:]]
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    take_as_made(files, folder, *RUN)
    done = measured(*SNAKEMAKE, CUBE, *RUN, folder=folder, says="Nothing to be done")
    return len(files), fresh, done


def take_as_made(files: list[str], folder: Path, *run: str) -> None:
    """Have Snakemake record all files as made, in parts: its scheduler takes quadratic time."""

    def touch(*arguments: str) -> Cost:
        return measured(sys.executable, "-c", TOUCH, "--touch", *arguments, *run, folder=folder)

    touch(*[name for name in files if "/floors/" in name], "--forceall")
    evaluations = sorted(name for name in files if "/evaluation/" in name)
    parts = [evaluations[i : i + PART] for i in range(0, len(evaluations), PART)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda part: touch("--nolock", *part, "--forcerun", "train"), parts))
    touch(CUBE, "--forcerun", "benchmark_cube")


def real_evaluation(folder: Path, levels: int) -> Path:
    """An evaluation of a small model that was trained for a moment."""
    folder.mkdir()
    copy_of_the_tree(folder)
    study: dict[str, Any] = {
        "name": "real",
        "task": {"length": 32, "sequences": {"train": 32, "validation": 8, "test": 8}},
        "kernels": {"impulse": {"rho": list(range(1, levels + 1))}},
        "architectures": {"rnn": {"widths": [4]}},
        "training": {"steps": 8, "batch_size": 8, "validations": 4, "device": "cpu"},
        "evaluation": {"probes": 8},
    }
    study["training"] |= {"learning_rates": [0.01, 0.03], "seeds": [0, 1, 2]}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    target = "results/real/evaluation/study/rnn/width=4/impulse.nc"
    run = ("--cores", "1", "--configfile", "study.yaml")
    measured(sys.executable, "-m", "snakemake", target, *run, folder=folder)
    return folder / target


def assemble(count: int, *, template: Path, groups: int, folder: Path) -> list[str]:
    """Architectures and files of so many evaluations, and what their cube costs."""
    folder.mkdir()
    widths = [4 * (i + 1) for i in range(max(1, groups // len(KERNELS)))]
    names = [f"a{i:05d}" for i in range(math.ceil(count / (len(widths) * len(KERNELS))))]
    sources = []
    size = 0
    for name in names:
        for width in widths:
            for kernel in KERNELS:
                path = folder / f"{name}-{width}-{kernel}.nc"
                shutil.copy(template, path)
                with netCDF4.Dataset(path, "r+") as file:
                    file.setncatts({"architecture_name": name, "width": width, "kernel": kernel})
                seal(path, ".nc")
                sources.append(str(path))
                size += path.stat().st_size
    with netCDF4.Dataset(template) as file:
        tasks = [
            {"rho": float(rho), "memory_length": int(length)}
            for rho, length in zip(file["rho"][:], file["memory_length"][:], strict=True)
        ]
        made = json.loads(file.settings)
    given = {
        "path": str(folder / "benchmark.nc"),
        "sources": sources,
        "architectures": names,
        "kernels": list(KERNELS),
        "study": {
            "name": "scale",
            "task": made["task"],
            "training": made["training"],
            "evaluation": {**made["evaluation"], "success": 0.1},
            "architectures": {n: {**made["architecture"], "widths": widths} for n in names},
            "kernels": dict.fromkeys(KERNELS, tasks),
        },
    }
    (folder / "given.json").write_text(json.dumps(given))
    cost = measured(sys.executable, "-c", ASSEMBLE, str(folder / "given.json"), folder=ROOT)
    return [f"{len(names)}", f"{size / 1e6:.0f} MB", str(cost)]


def print_row(*cells: object) -> None:
    """One row of a Markdown table."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--cells", type=int, nargs="*", default=[1000, 10_000, 50_000])
    parser.add_argument("--evaluations", type=int, nargs="*", default=[1000, 10_000, 50_000])
    parser.add_argument("--levels", type=int, default=10, help="levels of each kernel in the plans")
    parser.add_argument("--file-levels", type=int, default=3, help="levels in an evaluation file")
    parser.add_argument("--cells-per-job", default="auto", help="auto or a number")
    parser.add_argument("--architecture-cells", type=int, default=200)
    parser.add_argument("--groups", type=int, default=20, help="evaluations of an architecture")
    parser.add_argument("--folder", type=Path, help="where to work, /tmp where not given")
    given = parser.parse_args()
    per_job = given.cells_per_job
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        if given.cells:
            print_row("cells", "files", "dry run", "run when all is done")
            print_row(*["---"] * 4)
        for cells in given.cells:
            study = make_study(
                cells,
                levels=given.levels,
                per_architecture=given.architecture_cells,
                cells_per_job=per_job if per_job == "auto" else int(per_job),
            )
            where = folder / f"plan{cells}"
            print_row(cells, *plan(study, where))
            shutil.rmtree(where)
        if given.evaluations:
            template = real_evaluation(folder / "real", given.file_levels)
            titles = ("architectures", "size", "cube")
            print_row("evaluations", *titles)
            print_row(*["---"] * (1 + len(titles)))
        for count in given.evaluations:
            where = folder / f"assemble{count}"
            row = assemble(count, template=template, groups=given.groups, folder=where)
            print_row(count, *row)
            shutil.rmtree(where)


if __name__ == "__main__":
    main()
