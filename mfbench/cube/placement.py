"""Put blocks to their places in a larger block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfbench.cube.block import OF_A_MODEL, Block, Variable, empty
from mfbench.tasks.kernels.lookup import family as find_family

# Axes whose labels are those that the files have; the others are the study's.
AXES_OF_FILES = ("step", "lag", "time", "threshold", "perturbation", "length_factor")
# The axes of blocks whose places follow from their labels; levels go by their rho.
_LABELLED = ("learning_rate", "seed", *AXES_OF_FILES)

Levels = Mapping[str, Sequence[tuple[float, float]]]  # rho and memory length, from easy to hard


@dataclass(frozen=True)
class Axes:
    """The labels of the larger block.

    Attributes
    ----------
    labels : dict
        Sorted labels of learning_rate, seed, step, ..., and of width and kernel.
    levels : dict
        rho and memory length of the levels of each kernel, from easy to hard.
    """

    labels: dict[str, list[Any]]
    levels: Levels

    def length(self, dimension: str) -> int:
        """The number of places along a dimension."""
        if dimension == "level":
            return max(map(len, self.levels.values()))
        return len(self.labels[dimension])


def ordered(kernel: str, lengths: Mapping[float, float]) -> list[tuple[float, float]]:
    """Levels from easy to hard, from a mapping of rho to memory length."""
    sign = 1 if find_family(kernel).harder_when_larger else -1
    return sorted(lengths.items(), key=lambda level: (level[1], sign * level[0]))


def levels_in(blocks: Iterable[Block]) -> dict[str, dict[float, float]]:
    """The memory length of each rho that some blocks hold, by kernel."""
    found: dict[str, dict[float, float]] = {}
    for block in blocks:
        rho, length = (block.variables[name].values for name in ("rho", "memory_length"))
        for k, kernel in enumerate(block.axis("kernel")):
            there = ~np.isnan(rho[k])
            pairs = zip(rho[k, there].tolist(), length[k, there].tolist(), strict=True)
            found.setdefault(kernel, {}).update((r, float(m)) for r, m in pairs)
    return found


def union(blocks: Sequence[Block]) -> Block:
    """One block with all that some blocks of one architecture hold; a later one wins."""
    levels = {kernel: ordered(kernel, found) for kernel, found in levels_in(blocks).items()}
    labels = {
        name: sorted({value for block in blocks for value in block.axis(name)})
        for name in ("width", *_LABELLED)
    }
    axes = Axes({**labels, "kernel": list(levels)}, levels)
    like: dict[str, Variable] = {}
    for block in blocks:
        like = block.variables | like
    order = list(blocks[0].variables) + [n for n in like if n not in blocks[0].variables]
    arrays = {
        name: empty(name, like[name].values.dtype, tuple(map(axes.length, like[name].dims)))
        for name in order
    }
    for block in blocks:
        place(block, arrays, axes)
    tasks = {"rho": 0, "memory_length": 1}
    for name, part in tasks.items():
        fill_levels(arrays[name], levels, list(levels), part)
    return Block(
        blocks[0].architecture,
        {
            name: Variable(
                (name,),
                labelled(axes.labels.get(name, list(range(axes.length("level"))))),
                blocks[0].labels[name].attributes,
            )
            for name in blocks[0].labels
        },
        {n: Variable(like[n].dims, arrays[n], like[n].attributes) for n in order},
    )


def fill_levels(array: NDArray[Any], levels: Levels, kernels: Sequence[str], part: int) -> None:
    """Write the rho (part 0) or the memory length (part 1) of all levels; (kernel, level)."""
    for k, kernel in enumerate(kernels):
        for i, level in enumerate(levels[kernel]):
            array[k, i] = level[part]


def labelled(values: list[Any]) -> NDArray[Any]:
    """Labels as an array of text, whole numbers or numbers."""
    if isinstance(values[0], str):
        return np.array(values, dtype=object)
    return np.array(values, dtype="f8" if isinstance(values[0], float) else "i8")


def place(block: Block, arrays: Mapping[str, NDArray[Any]], axes: Axes) -> None:
    """Write all that a block holds and the axes have to its place in some arrays.

    Parameters
    ----------
    block : Block
        What to write.
    arrays : mapping
        Arrays by the name of the variable, with the block's dimensions in the lengths of the axes.
    axes : Axes
        The labels of the arrays.
    """
    common = {name: _shared(block.axis(name), axes.labels[name]) for name in _LABELLED}
    if not all(source for source, _ in common.values()):
        return  # no learning rate or no seed that the study still has
    rho, present = block.variables["rho"].values.tolist(), block.present()
    for w, width in enumerate(block.axis("width")):
        for k, kernel in enumerate(block.axis("kernel")):
            if width not in axes.labels["width"] or kernel not in axes.levels:
                continue  # the study no longer has it
            # Levels go by their rho: their number changes when a study gets another one.
            at = {r: i for i, (r, _) in enumerate(axes.levels[kernel])}
            source = [i for i, r in enumerate(rho[k]) if present[w, k, i] and r in at]
            if not source:
                continue
            target = [at[rho[k][i]] for i in source]
            where = {
                **common,
                "level": (source, target),
                "width": (w, axes.labels["width"].index(width)),
                "kernel": (k, axes.labels["kernel"].index(kernel)),
            }
            _copy(block, arrays, where)


def _copy(block: Block, arrays: Mapping[str, NDArray[Any]], where: Mapping[str, Any]) -> None:
    selections: dict[tuple[str, ...], tuple[Any, Any]] = {}
    for name, variable in block.variables.items():
        dims = variable.dims
        if dims not in selections:
            source, target = zip(*(where[d] for d in dims), strict=True)
            selections[dims] = _selection(source), _selection(target)
        here, there = selections[dims]
        values = variable.values[here]
        if name in OF_A_MODEL and np.isnan(values).all():
            continue  # a model that could not be built hides no number of another level
        arrays[name][there] = values


def _shared(mine: list[Any], theirs: list[Any]) -> tuple[list[int], list[int]]:
    """Positions in both lists of the labels that both have."""
    at = {label: i for i, label in enumerate(theirs)}
    source = [i for i, label in enumerate(mine) if label in at]
    return source, [at[mine[i]] for i in source]


def _selection(index: Sequence[int | list[int]]) -> tuple[Any, ...]:
    """Indices of a sub-array: slices where they can be, which numpy copies much faster."""
    slices = tuple(i if isinstance(i, int) else _slice(i) for i in index)
    if None not in slices:
        return slices
    mesh = iter(np.ix_(*(i for i in index if isinstance(i, list))))
    return tuple(next(mesh) if isinstance(i, list) else i for i in index)


def _slice(index: list[int]) -> slice | None:
    if index == list(range(index[0], index[0] + len(index))):
        return slice(index[0], index[0] + len(index))
    return None
