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
# Environment and script of each rule.
RULES = [
    pair
    for file in (REPOSITORY / "rules").glob("*.smk")
    for pair in re.findall(
        r"/envs/(\w+)\.yaml.*?/workflow_scripts/(\w+)\.py", file.read_text(), re.S
    )
]
PACKAGES = {
    **{name: name for name in ("torch", "xarray", "scipy", "altair", "safetensors", "jinja2")},
    **{name: name for name in ("pandas", "pydantic", "grimp", "snakemake")},
    "netCDF4": "netcdf4",
    "vl_convert": "vl-convert-python",
    "yaml": "pyyaml",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def packages(env: Path) -> dict[str, str]:
    dependencies = yaml.safe_load(env.read_text())["dependencies"]
    pip = next(d["pip"] for d in dependencies if isinstance(d, dict))
    return {normal(name): version for name, version in (p.split("==") for p in pip)}


@pytest.mark.parametrize("env", ENVS, ids=lambda p: p.stem)
def test_an_environment_has_what_its_scripts_import_in_the_tested_versions(env: Path) -> None:
    constraints = (REPOSITORY / "envs" / "constraints.txt").read_text().splitlines()
    pins = {normal(name): version for name, _, version in (c.partition("==") for c in constraints)}
    installed = packages(env)
    assert installed.items() <= pins.items()
    code = ["import sys"]
    for script in {script for name, script in RULES if name == env.stem}:  # its imports alone
        source = (REPOSITORY / "workflow_scripts" / f"{script}.py").read_text()
        code += re.findall(
            r"^(?:from \S+ import (?:\([^)]*\)|.+)|import .+)$", source, re.MULTILINE
        )
    code.append("print(*{m.partition('.')[0] for m in sys.modules})")
    loaded = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    ).stdout.split()
    assert {PACKAGES[module] for module in loaded if module in PACKAGES} <= installed.keys()
