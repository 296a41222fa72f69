"""Charts of a cube, as in the report, for the part of it that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import xarray as xr


class Plots:
    """Charts of a cube; each is an altair chart.

    Parameters
    ----------
    cube : Dataset
        A benchmark cube at one budget.

    Examples
    --------
    >>> import mfbench as mf
    >>> cube = mf.open("results/small/cubes/benchmark.nc")
    >>> cube.mf.plot.error(architecture=["s4d", "rnn"]).save("error.html")
    """

    def __init__(self, cube: xr.Dataset) -> None:
        self._cube = cube

    def error(
        self,
        *,
        architecture: str | Sequence[str] | None = None,
        kernel: str | Sequence[str] | None = None,
        width: int | Sequence[int] | None = None,
    ) -> Any:
        """Relative error by memory length, with floors; by default of everything."""
        return self._chart("error_by_memory_length", architecture, kernel, width)

    def memory(
        self,
        *,
        architecture: str | Sequence[str] | None = None,
        kernel: str | Sequence[str] | None = None,
        width: int | Sequence[int] | None = None,
    ) -> Any:
        """Learned memory functions and their targets, each architecture at its largest width."""
        return self._chart("memory_functions", architecture, kernel, width)

    def boundary(
        self,
        *,
        architecture: str | Sequence[str] | None = None,
        kernel: str | Sequence[str] | None = None,
        width: int | Sequence[int] | None = None,
    ) -> Any:
        """Failure boundaries with their intervals."""
        return self._chart("failure_boundaries", architecture, kernel, width)

    def _chart(self, figure: str, architecture: Any, kernel: Any, width: Any) -> Any:
        import altair as alt

        from mfbench.figures.export import chart_of

        cube = self._cube
        for dim, wanted in {"architecture": architecture, "kernel": kernel, "width": width}.items():
            if wanted is not None:
                labels = [wanted] if isinstance(wanted, str | int) else list(wanted)
                there = cube[dim].values.tolist()
                if lacking := [label for label in labels if label not in there]:
                    raise ValueError(f"the cube has no {dim} {lacking}; it has {there}")
                cube = cube.sel({dim: labels})
        if alt.data_transformers.active == "default":
            # Learned memory functions may have more than the 5000 rows that altair allows.
            alt.data_transformers.enable("default", max_rows=None)
        try:
            return chart_of(figure, cube)
        except KeyError as error:
            raise ValueError(
                f"the cube has no variable {error}, which this figure shows; open the cube that "
                "the study wrote"
            ) from None
