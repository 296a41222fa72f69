"""Checkpoints of finished and running members, from which an interrupted or extended job continues.

One safetensors file per member. Each file stores the member's key, a digest of everything that
its numbers depend on; a file with another key is stale and ignored.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from mfbench.files import BrokenFileError, atomic, sealed
from mfbench.training.progress import Progress
from mfbench.training.run import Run

log = logging.getLogger(__name__)

_CURVES = ("losses", "memory")  # the fields of a Progress that are tensors


def member_key(parts: Mapping[str, Any]) -> str:
    """Digest of the settings, data and code that a member's numbers depend on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Checkpoints:
    """The checkpoints of one cell in a folder."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, run: Run) -> Path:
        """Path of a member's file."""
        return self.folder / f"{run.name}.safetensors"

    def save(self, run: Run, key: str, progress: Progress) -> None:
        """Write a member atomically."""
        fields = asdict(progress)
        kept, curves = fields.pop("tensors"), {name: fields.pop(name) for name in _CURVES}
        if progress.finished:  # then only the best weights are needed
            kept = {k: v for k, v in kept.items() if k.startswith("best.")}
        tensors = {**kept, **curves}
        tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        with atomic(self.path(run)) as temporary:
            save_file(tensors, temporary, metadata={"key": key, "progress": json.dumps(fields)})

    def load(self, run: Run, key: str) -> Progress | None:
        """Read a member; None if there is no readable file with this key."""
        path = self.path(run)
        if not path.is_file():
            return None
        try:
            with safe_open(sealed(path), framework="pt") as file:
                metadata = file.metadata() or {}
                if metadata.get("key") != key:
                    log.info("%s is from other settings, data or code: starting over", path)
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                fields = json.loads(metadata["progress"])
                curves = {name: tensors.pop(name) for name in _CURVES}
        except BrokenFileError as error:
            log.warning("%s cannot be read (%s): starting over", path, error.problem)
            return None
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            log.warning("%s cannot be read (%s): starting over", path, error)
            return None
        return Progress(**fields, **curves, tensors=tensors)
