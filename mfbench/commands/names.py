"""The names that a command takes, for its help; looked up only when the help is shown."""

from __future__ import annotations


def kernels() -> str:
    """The registered families, and how to name others."""
    from mfbench.tasks.kernels.lookup import families

    return f"Kernels: {', '.join(families())}; or mine.py:FAMILY, or values in mine.npy or mine.nc."


def architectures() -> str:
    """The registered architectures and those of installed packages."""
    from mfbench.models.registry import installed, registered

    return f"Models: {', '.join([*registered(), *installed()])}; or mine.py:Class."
