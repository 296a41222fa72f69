"""Kernel families in files, as users write them."""

from __future__ import annotations

from pathlib import Path


def write_family(path: Path, function: str, *, imports: str = "", **about: str) -> str:
    """Reference of a family whose function of rho and lag is this expression."""
    given = {"low": "0.0", "high": "np.inf", "harder_when_larger": "True", **about}
    path.write_text(
        f"import numpy as np\nfrom mfbench.tasks.kernels.family import Family\n{imports}\n"
        f"FAMILY = Family(formula='f', knob='k', function=lambda rho, lag: {function},\n"
        f"    {', '.join(f'{name}={value}' for name, value in given.items())})\n"
    )
    return f"{path}:FAMILY"
