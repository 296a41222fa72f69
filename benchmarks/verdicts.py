"""Rules for predictions on simulated studies: how often they are wrong, how often they decide.

Each rule judges its own study of config/predictions with drawn results: models, tasks and seeds are
the study's, and seeds spread as in earlier runs.

Usage: python -m benchmarks.verdicts [--repetitions 200] [--only RULE ...] [--write docs/theory.md]
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mfbench.predictions import (
    attention_without_positions,
    exponential_one_state,
    largest_learning_rate,
    one_head_airy,
    plateau_growth,
    rescaled_loss,
    spectrum_ordering,
    ssm_initialisation,
    ssm_step_size,
    stable_approximation,
    stable_reparameterisation,
    tcn_tail_floor,
    width_growth,
)
from mfbench.predictions.catalogue import prediction
from mfbench.predictions.cells import Cell, cells
from mfbench.predictions.scoreboard import judge
from mfbench.predictions.shares import RARE
from mfbench.predictions.tcn_tail_floor import tail_energy
from mfbench.predictions.verdict import CONTRADICTED, NO_EFFECT, SUPPORTED, Verdict
from mfbench.study.study import read_study
from tests.predictions.cubes import make_cube

STUDIES = Path(__file__).parent.parent / "config" / "predictions"
STEPS = np.unique(np.geomspace(1, 5000, 80).round())
OFFSET = 10.0  # steps that learning takes at any lag
MARKS = ("<!-- verdicts: begin -->", "<!-- verdicts: end -->")
NULLS = {
    "no effect": "tasks differ, but not the kinds that are compared",
    "nothing learned": "all errors are 1 +- 0.01",
    "all diverged": "all runs diverge",
    "random families": "kernels are hard or easy by themselves, by 1.5 decades",
    "noisy seeds": "seeds spread three times as much, with heavy tails (t distribution, 3 degrees)",
    "lucky seeds": "a seed learns with a probability of 0.5, else its error is 1",
}
UNLEARNED = ("nothing learned", "all diverged")
Values = Mapping[int, float]  # by seed: NaN if nothing was learned, infinite if diverged


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Simulated(Cell):
    """A cell with drawn results at the selected learning rate."""

    errors: Mapping[int, float]
    costs: Mapping[int, float]

    @property
    def seeds(self) -> dict[int, float]:
        return dict(self.errors)

    def per_seed(self, name: str) -> dict[int, Any]:
        ended = {seed: error for seed, error in self.errors.items() if np.isfinite(error)}
        if name == "learned_memory_function":  # the target, scaled down to the error
            k = self.data.memory_function.values
            return {seed: k * (1 - np.sqrt(error)) for seed, error in ended.items()}
        sizes = self.data.perturbation.values
        return {s: e + np.where(sizes > 0, self.costs[s], 0) for s, e in ended.items()}


def simulated(cell: Cell, errors: Mapping[int, float], **changes: Any) -> Simulated:
    """The cell with these relative errors by seed."""
    known = {field.name: getattr(cell, field.name) for field in dataclasses.fields(Cell)}
    return Simulated(**(known | {"errors": errors, "costs": {}} | changes))


def relative(values: Values, rng: np.random.Generator, learned: float | None = None) -> Any:
    """Relative errors from log10 errors, or one error for all that learned."""
    near_one = np.exp(0.01 * rng.standard_normal(len(values)))
    return {
        seed: one if np.isnan(v) else learned if learned and np.isfinite(v) else float(10.0**v)
        for (seed, v), one in zip(values.items(), near_one, strict=True)
    }


def with_errors(cell: Cell, values: Values, rng: np.random.Generator) -> Cell:
    """Draw log10 errors, but none below the tail floor."""
    floor = tail_energy(cell) if np.isfinite(cell.receptive_field) else 0.0
    return simulated(cell, {s: max(e, floor) for s, e in relative(values, rng).items()})


def with_costs(cell: Cell, values: Values, rng: np.random.Generator) -> Cell:
    """Draw log10 costs of a perturbation; all runs that learned have one error."""
    costs = {seed: float(10.0**v) if np.isfinite(v) else 1.0 for seed, v in values.items()}
    return simulated(cell, relative(values, rng, 1e-3), costs=costs)


def with_limits(cell: Cell, values: Values, rng: np.random.Generator) -> Cell:
    """Draw log10 learning rates above which runs diverge; unlearned runs never do."""
    errors = relative(values, rng, 1e-3)
    limits = np.array(
        [np.inf if np.isnan(v) else -np.inf if np.isinf(v) else v for v in values.values()]
    )
    fine = np.log10(cell.rates)[:, None] <= limits
    at = np.where(fine, np.minimum(list(errors.values()), 9.0), np.nan)
    return simulated(cell, errors, data=_data(cell, values, at, at[..., None], [1]))


def with_times(cell: Cell, values: Values, rng: np.random.Generator) -> Cell:
    """Draw log10 steps at which the validation error falls to one half."""
    times = OFFSET + 10.0 ** np.nan_to_num(list(values.values()), nan=9.0, posinf=9.0)
    at = np.where(np.isinf(list(values.values())), np.nan, 1e-3)[None]
    curves = 1 / (1 + (STEPS / times[:, None]) ** 8)
    data = _data(cell, values, at, curves[None], STEPS)
    return simulated(cell, relative(values, rng, 1e-3), data=data)


def _data(cell: Cell, values: Values, errors: Any, curves: Any, steps: Any) -> xr.Dataset:
    dims = ("learning_rate", "seed")
    return xr.Dataset(
        {
            "relative_mse": (dims, errors),
            "status": (dims, np.where(np.isnan(errors), "diverged", "ok").astype(object)),
            "validation_error": ((*dims, "step"), curves),
        },
        coords={"learning_rate": cell.rates, "seed": list(values), "step": steps},
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rule:
    """How to draw the study of a rule.

    Attributes
    ----------
    study : str
        Name of its study.
    margin : float
        Margin of the rule.
    kind : callable
        ``kind(cell)``: cells of one kind share the noise of a seed, and None leaves a cell out. By
        default, a kind of 1 has an effect and a kind of 0 has none.
    spread : float
        Standard deviation between seeds of a difference between two kinds.
    value : callable, optional
        ``value(cell, effect)``: what `draw` gets, without noise.
    draw : callable
        Makes a cell from values by seed.
    base : float
        Value without an effect.
    shares : bool
        Whether the rule compares shares of successes; the effect is then a share.
    excluded : tuple
        Nulls that cannot be drawn, or under which the prediction may be true.
    """

    study: str
    margin: float
    kind: Callable[[Cell], Hashable]
    spread: float
    value: Callable[[Cell, float], float] | None = None
    draw: Callable[[Cell, Values, np.random.Generator], Cell] = with_errors
    base: float = -3.0
    shares: bool = False
    excluded: tuple[str, ...] = ()


def state_error(cell: Cell, effect: float) -> float:
    """log10 error of a linear recurrence whose state must grow by `effect` doublings."""
    if cell.kernel == "exponential":
        return -6.0
    needed = 2.0 ** (effect * np.log2(cell.memory_length / 4) / 2)
    return float(max(-0.1 - 1.4 * cell.state_size / needed, -5.0))


def time_to_learn(cell: Cell, effect: float) -> float:
    """log10 steps beyond OFFSET, between a power law and an exponential that agree at both ends.

    Both fit equally well at a share of 0.305 of the exponential, and the effect grows with it.
    """
    power, exponential = np.log(cell.rho) / np.log(15), (cell.rho - 1) / 14
    share = 0.305 + 0.21 * effect
    return float(0.3 + 1.5 * ((1 - share) * power + share * exponential))


@functools.cache
def spectrum(cell: Cell) -> float:
    """Decades of the spectrum bound above nothing."""
    return float(np.log10(max(spectrum_ordering.spectrum_term(cell), 1e-6)) + 6)


RULES = {
    "attention_without_positions": Rule(
        study="attention",
        margin=attention_without_positions.MARGIN,
        kind=lambda c: int(c.options["positions"] != "none"),
        spread=0,
        shares=True,
        excluded=("random families", "noisy seeds"),
    ),
    "exponential_one_state": Rule(
        study="curse_of_memory",
        margin=exponential_one_state.MARGIN,
        kind=lambda _: 1,
        spread=0.3,
        value=lambda _, effect: -effect,
        excluded=("random families",),
    ),
    "largest_learning_rate": Rule(
        study="stable_ssm",
        margin=largest_learning_rate.MARGIN,
        kind=lambda c: {"best": 1, "direct": 0}.get(c.options["parameterisation"]),
        spread=0.15,
        draw=with_limits,
        base=-0.5,
        excluded=("random families",),
    ),
    "one_head_airy": Rule(
        study="attention_heads",
        margin=one_head_airy.MARGIN,
        kind=lambda c: int(c.options["heads"] > 1),
        spread=0,
        shares=True,
        excluded=("random families", "noisy seeds"),
    ),
    "plateau_growth": Rule(
        study="plateau_growth",
        margin=plateau_growth.MARGIN,
        kind=lambda c: c.rho,
        spread=0.027,
        value=time_to_learn,
        draw=with_times,
        excluded=("random families",),
    ),
    "rescaled_loss": Rule(
        study="rescaled_loss",
        margin=rescaled_loss.MARGIN,
        kind=lambda c: int(rescaled_loss.time_power(c) == 0),
        spread=0.08,
    ),
    "spectrum_ordering": Rule(
        study="spectrum_ordering",
        margin=0.5,
        kind=lambda c: (c.kernel, c.width, c.memory_length),
        spread=0.5,
        value=lambda c, effect: -6 + 0.7 * effect * spectrum(c),
    ),
    "ssm_initialisation": Rule(
        study="ssm_start",
        margin=ssm_initialisation.MARGIN,
        kind=lambda c: int(c.options["init"] == "real"),
        spread=0.1,
    ),
    "ssm_step_size": Rule(
        study="ssm_start",
        margin=ssm_step_size.MARGIN,
        kind=lambda c: int(not ssm_step_size.is_large(c)),
        spread=0.25,
    ),
    "stable_approximation": Rule(
        study="stable_approximation",
        margin=stable_approximation.MARGIN,
        kind=lambda c: int(c.kernel == "polynomial"),
        spread=0.06,
        draw=with_costs,
        excluded=("random families",),
    ),
    "stable_reparameterisation": Rule(
        study="stable_ssm",
        margin=stable_reparameterisation.MARGIN,
        kind=lambda c: int(c.options["parameterisation"] == "direct"),
        spread=0.12,
    ),
    "tcn_tail_floor": Rule(
        study="tcn_tail_floor",
        margin=tcn_tail_floor.MARGIN,
        kind=lambda c: int(c.receptive_field > c.rho),
        spread=0.3,
        value=lambda c, effect: -effect * (c.receptive_field > c.rho),
        excluded=("random families",),
    ),
    "width_growth": Rule(
        study="curse_of_memory",
        margin=width_growth.MARGIN,
        kind=lambda c: (c.kernel, c.memory_length),
        spread=0.15,
        value=state_error,
    ),
}


@functools.cache
def template(study: str) -> tuple[Cell, ...]:
    """The cells of a study."""
    made = make_cube(
        read_study(STUDIES / f"{study}.yaml"), lambda _: 0.01, perturbed=lambda *_: 0.01
    )
    return tuple(cells(made))


def simulate(
    name: str, rng: np.random.Generator, null: str = "no effect", *, effect: float = 0.0
) -> Verdict:
    """Draw the study of a rule with an effect, disturbed as a null says, and judge it."""
    rule, study = RULES[name], template(RULES[name].study)
    seeds = study[0].data.seed.values.tolist()
    noise: dict[Hashable, Any] = {}
    luck: dict[Hashable, Any] = {}
    for kind in dict.fromkeys(rule.kind(c) for c in study):
        wild = rng.standard_t(3, len(seeds)) * np.sqrt(3)  # a standard deviation of 3
        calm = rng.standard_normal(len(seeds))
        noise[kind] = rule.spread / np.sqrt(2) * (wild if null == "noisy seeds" else calm)
        luck[kind] = rng.random(len(seeds))
    hardness = {c.memory_length: 0.5 * rng.standard_normal() * (rule.value is None) for c in study}
    family = {c.kernel: 1.5 * rng.standard_normal() for c in study}
    drawn = []
    for c in study:
        kind = rule.kind(c)
        if kind is None:
            continue
        value = rule.value(c, effect) if rule.value else rule.base + effect * kind
        values = value + hardness[c.memory_length] + noise[kind]
        values = values + 0.2 * rule.spread * rng.standard_normal(len(seeds))
        if rule.shares:
            share = rule.margin if null == "lucky seeds" else effect
            chance = share * kind if share else RARE
            values = np.where(luck[kind] < chance, -3.0, np.nan)
        elif null == "random families":
            values = values + family[c.kernel]
        elif null == "lucky seeds":
            least = -2 * rule.margin if rule.draw is with_errors else np.inf
            values = np.where(luck[kind] < 0.5, np.minimum(values, least), np.nan)
        if null in UNLEARNED:
            values = np.full(len(seeds), np.nan if null == "nothing learned" else np.inf)
        drawn.append(rule.draw(c, dict(zip(seeds, values, strict=True)), rng))
    return judge(prediction(name), drawn)


def wrong(verdict: Verdict, null: str) -> bool:
    """Whether a verdict under a null is false."""
    nothing = (NO_EFFECT,) if null in UNLEARNED else ()
    return verdict.verdict in (SUPPORTED, CONTRADICTED, *nothing)


def row(name: str, repetitions: int, seed: int = 0) -> tuple[dict[str, float], float, float]:
    """Share of false verdicts by null; share of 'supported' and mean effect at twice the margin."""
    rng = np.random.default_rng(seed)
    rule = RULES[name]
    false = {
        null: float(np.mean([wrong(simulate(name, rng, null), null) for _ in range(repetitions)]))
        for null in NULLS
        if null not in rule.excluded
    }
    found = [simulate(name, rng, effect=2 * rule.margin) for _ in range(repetitions)]
    power = float(np.mean([v.verdict == SUPPORTED for v in found]))
    return false, power, float(np.nanmean([v.effect for v in found]))


def lines(names: Sequence[str], repetitions: int) -> list[str]:
    """Rows of the table in Markdown."""
    columns = ["rule", "seeds", *NULLS, "twice the margin", "mean effect there"]
    table = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for name in names:
        false, power, effect = row(name, repetitions)
        seeds = len(template(RULES[name].study)[0].data.seed)
        shares = [f"{false[null]:.3f}" if null in false else "" for null in NULLS]
        parts = [name, str(seeds), *shares, f"**{power:.2f}**", f"{effect:.2g}"]
        table.append("| " + " | ".join(parts) + " |")
        print(table[-1], flush=True)
    return table


def main() -> None:
    """Simulate, print, and write the table where it belongs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--only", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--write", type=Path, help="a file with a place for the table")
    given = parser.parse_args()
    table = lines(given.only, given.repetitions)
    if given.write:
        before, rest = given.write.read_text().split(MARKS[0])
        after = rest.split(MARKS[1])[1]
        text = "\n".join([before + MARKS[0], "", *table, "", MARKS[1] + after])
        given.write.write_text(text)


if __name__ == "__main__":
    main()
