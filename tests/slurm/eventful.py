"""An architecture to which something happens in the first SLURM job that trains it.

It notes in `events/<event>-<width>/<job>` on which GPU it is and when each training step starts.
Outside of SLURM it does neither, and nothing happens any more once there is `events/calm`.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from mfbench.models.mixer import Mixer

# That a training step takes in the first job, and in all later ones.
SECONDS = {"overtime": 0.25, "cancelled": 0.2, "orphaned": 0.2, "killed": 0.02, "none": 0.005}
BATCH = 8  # sequences in a training step; the check of promises runs smaller batches
KILLED_AT = 20  # steps until the job kills itself, as the kernel does where memory runs out


class Eventful(Mixer):
    """A causal convolution of two steps.

    Parameters
    ----------
    event : {"none", "killed", "overtime", "cancelled", "orphaned"}
        "killed": the first job kills itself. The last three are done to it from outside.
    """

    def __init__(
        self,
        width: int,
        layer: int,
        length: int,
        *,
        event: Literal["none", "killed", "overtime", "cancelled", "orphaned"] = "none",
    ) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, width, 2, padding=1)
        self.calls = 0
        self.seconds, self.kills, self.notes = 0.0, False, None
        job = os.environ.get("SLURM_JOB_ID")
        if job is None:
            return
        folder = Path("events") / f"{event}-{width}"
        folder.mkdir(parents=True, exist_ok=True)
        self.notes = folder / job
        try:
            with (folder / "first").open("x") as file:
                file.write(job)
        except FileExistsError:
            pass
        happens = event if (folder / "first").read_text() == job else "none"
        if Path("events/calm").exists():
            happens = "none"
        self.seconds = SECONDS[happens]
        self.kills = happens == "killed"
        self.note("device", os.environ.get("CUDA_VISIBLE_DEVICES", ""))

    def note(self, *words: object) -> None:
        """Append a line to the job's notes."""
        if self.notes is not None:
            with self.notes.open("a") as file:
                file.write(" ".join(map(str, words)) + "\n")

    def forward(self, u: Tensor) -> Tensor:
        if self.training and self.notes is not None and len(u) == BATCH:
            self.calls += 1
            self.note("step", time.time())
            time.sleep(self.seconds)
            if self.kills and self.calls == KILLED_AT:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.convolution(u.mT)[..., : u.shape[1]].mT
