"""The environments of the stages hold the tested versions, and enough of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY

ENVS = sorted((REPOSITORY / "envs").glob("*.yaml"))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    lines = (REPOSITORY / "envs" / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line]
    return {normal(name): version for name, version in pairs}


def packages(env: Path) -> dict[str, str]:
    dependencies = yaml.safe_load(env.read_text())["dependencies"]
    pip = next(d["pip"] for d in dependencies if isinstance(d, dict))
    return dict(p.split("==") for p in pip)


@pytest.mark.parametrize("env", ENVS, ids=lambda p: p.stem)
def test_versions_are_those_of_the_constraints(env: Path) -> None:
    pins = pinned()
    for name, version in packages(env).items():
        assert pins[normal(name)] == version, name


@pytest.mark.parametrize(
    ("script", "env"),
    [
        ("generate_dataset", "datasets"),
        ("train", "training"),
        ("evaluate", "evaluation"),
        ("assemble_benchmark", "evaluation"),
        ("refine_levels", "evaluation"),
        ("write_report", "figures"),
        ("judge_predictions", "evaluation"),
    ],
)
def test_a_script_imports_nothing_that_its_environment_lacks(script: str, env: str) -> None:
    """Run the imports of a script and compare what was loaded with what is installed there."""
    source = (REPOSITORY / "workflow_scripts" / f"{script}.py").read_text()
    imports = re.findall(r"^(?:from \S+ import (?:\([^)]*\)|.+)|import .+)$", source, re.MULTILINE)
    code = "\n".join([*imports, "import sys", "print(*{m.partition('.')[0] for m in sys.modules})"])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    loaded = set(done.stdout.split())
    allowed = {normal(p) for p in packages(REPOSITORY / "envs" / f"{env}.yaml")}
    for module, package in {
        "torch": "torch",
        "xarray": "xarray",
        "scipy": "scipy",
        "altair": "altair",
        "safetensors": "safetensors",
        "netCDF4": "netcdf4",
        "jinja2": "jinja2",
        "vl_convert": "vl-convert-python",
        "pandas": "pandas",
        "yaml": "pyyaml",
        "pydantic": "pydantic",
        "grimp": "grimp",
        "snakemake": "snakemake",
    }.items():
        if module in loaded:
            assert package in allowed, f"{script} loads {module}"
