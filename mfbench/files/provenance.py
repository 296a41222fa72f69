"""Where a file comes from: settings, seeds, versions and commit."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

CONVENTIONS = "CF-1.11"
_PACKAGES = (
    "mfbench",
    "numpy",
    "scipy",
    "torch",
    "xarray",
    "netCDF4",
    "safetensors",
    "pydantic",
    "altair",
)


def provenance(*, title: str, settings: Mapping[str, Any], seeds: Any) -> dict[str, str]:
    """Global attributes that make a NetCDF file self-describing.

    Parameters
    ----------
    title : str
        What the file holds.
    settings : mapping
        The resolved settings that made it, kept as JSON.
    seeds : int, list or mapping
        The seeds that made it, kept as JSON.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    source = f"mfbench {package_versions().get('mfbench', '(source tree)')}"
    return {
        "Conventions": CONVENTIONS,
        "title": title,
        "source": source,
        "history": f"{now}: written by {source}",
        "references": "arXiv:2506.05678",
        "settings": json.dumps(settings, sort_keys=True),
        "seeds": json.dumps(seeds, sort_keys=True),
        "git_commit": git_commit(),
        "package_versions": json.dumps(package_versions(), sort_keys=True),
    }


@cache
def package_versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that results depend on."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # a stage's own environment may go without it
    return versions


@cache
def git_commit() -> str:
    """Commit of the source tree, with '-dirty' where tracked files have changed since.

    The first call of a process counts: jobs ask before they work, so that a commit made meanwhile
    does not end up in their files.
    """
    root = Path(__file__).parent.parent.parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit
