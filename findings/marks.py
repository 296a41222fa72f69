"""The table of the page that compares tasks with and without marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from findings.study import Study, short


def marks_table(
    studies: Mapping[str, Study], kernels: Sequence[str], memory_lengths: Sequence[int]
) -> str:
    """A row per architecture: its errors on each kernel without marks and with them.

    The last row is the lowest error of a linear time-invariant model of any size.

    Parameters
    ----------
    studies : mapping
        Studies of the same architectures by the name of their column.
    kernels : sequence of str
        Kernels that all of them have.
    memory_lengths : sequence of int
        Their memory lengths to show.
    """
    columns = [(kernel, name) for kernel in kernels for name in studies]
    lines = [
        "| | " + " | ".join(f"{kernel}, {name}" for kernel, name in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for architecture in map(str, next(iter(studies.values())).cube.architecture.values):
        cells = [studies[name].errors(architecture, k, memory_lengths) for k, name in columns]
        lines.append(f"| {architecture} | " + " | ".join(cells) + " |")
    bounds = [
        " ".join(
            short(bound) if (bound := studies[name].linear_bound(kernel, m)) else "0"
            for m in memory_lengths
        )
        for kernel, name in columns
    ]
    lines.append("| any linear model | " + " | ".join(bounds) + " |")
    return "\n".join(lines)
