"""Packs by name, and the plan of which are trained."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake.target_jobs import parse_target_jobs_cli_args
from snakemake_interface_executor_plugins.utils import TargetSpec, encode_target_jobs_cli_args

from mfbench.workflow.packs import (
    LONGEST,
    levels_of,
    most_levels,
    pack_name,
    packs_in,
    plan_packs,
)

LEVELS = ["0.5", "1e-05", "4", "8", "16", "32.25", "1.5e+16", "64", "128"]


@given(st.lists(st.sampled_from(LEVELS), min_size=1, unique=True))
def test_names_and_levels_are_one_to_one(levels: list[str]) -> None:
    assert levels_of(pack_name(levels)) == levels


@pytest.mark.parametrize("name", ["", "_", "4_", "4__8", "4_4", "4,8", "four", "nan", "inf", "1 2"])
def test_nonsense_is_no_pack(name: str) -> None:
    with pytest.raises(ValueError, match="is no pack of levels: it must be different numbers"):
        levels_of(name)


@pytest.mark.parametrize("levels", [[], ["4_8"], ["4", "4"], ["rho"]])
def test_a_pack_is_made_of_different_numbers(levels: list[str]) -> None:
    with pytest.raises(ValueError, match=r"no (pack of )?levels"):
        pack_name(levels)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    levels = [f"0.{i:012d}" for i in range(1, 30)]
    fit = most_levels(levels)
    assert len(pack_name(levels[:fit])) <= LONGEST
    with pytest.raises(ValueError, match=r"fit into a file's name: training\.cells_per_job"):
        pack_name(levels[: fit + 1])
    assert most_levels(["4", "8"]) == 2


def test_a_pack_survives_the_way_to_a_cluster() -> None:
    wildcards = {"architecture": "rnn", "pack": pack_name(["1e-05", "4", "1.5e+16"])}
    sent = encode_target_jobs_cli_args([TargetSpec("train", wildcards)])
    assert parse_target_jobs_cli_args(sent) == [TargetSpec("train", wildcards)]


def test_a_plan_by_hand() -> None:
    levels = ["2", "4", "8", "16", "32"]
    assert plan_packs(levels, size=2, existing=[]) == ["2_4", "8_16", "32"]
    assert plan_packs(levels, size=1, existing=[]) == levels
    assert plan_packs(levels, size=9, existing=[]) == ["2_4_8_16_32"]
    assert plan_packs(levels, size=3, existing=[]) == ["2_4_8", "16_32"]
    assert plan_packs(levels, size=4, existing=[]) == ["2_4_8", "16_32"]  # balanced
    assert plan_packs([], size=4, existing=["2_4"]) == []
    # Another size leaves alone what is finished, and an added level makes one new pack.
    assert plan_packs(levels, size=4, existing=["2_4", "8_16", "32"]) == ["2_4", "8_16", "32"]
    assert plan_packs([*levels, "64"], size=2, existing=["2_4", "8_16", "32"]) == [
        "2_4", "8_16", "32", "64",
    ]  # fmt: skip
    # A level in between makes a pack over what stands between its levels.
    assert plan_packs(levels, size=3, existing=["4_8"]) == ["2_16_32", "4_8"]
    # Packs with a level that is not wanted any more are of no use.
    assert plan_packs(["2", "8"], size=2, existing=["2_4", "8"]) == ["2", "8"]
    # Of two that overlap the larger one stays, and then the first by name.
    assert plan_packs(levels, size=5, existing=["2_4", "4_8_16"]) == ["2_32", "4_8_16"]
    assert plan_packs(["2", "4", "8"], size=5, existing=["4_8", "2_4"]) == ["2_4", "8"]
    assert plan_packs(levels, size=5, existing=["nonsense", "2_2"]) == ["2_4_8_16_32"]


subsets = st.lists(st.sampled_from(LEVELS), min_size=1, max_size=5, unique=True)


@given(
    before=st.lists(subsets, max_size=6),
    wanted=st.lists(st.sampled_from(LEVELS), min_size=1, unique=True),
    size=st.integers(1, 5),
    data=st.data(),
)
def test_a_plan_is_the_same_at_every_moment_of_a_run(
    before: list[list[str]], wanted: list[str], size: int, data: st.DataObject
) -> None:
    existing = [pack_name(levels) for levels in before]
    plan = plan_packs(wanted, size=size, existing=existing)
    assert sorted(v for pack in plan for v in levels_of(pack)) == sorted(wanted)
    finished = data.draw(st.sets(st.sampled_from(plan)))
    assert plan_packs(wanted, size=size, existing=[*existing, *finished]) == plan
    # And once it is finished no other size changes it.
    other = data.draw(st.integers(1, 9))
    assert plan_packs(wanted, size=other, existing=[*existing, *plan]) == plan


@given(count=st.integers(1, 60), size=st.integers(1, 60), data=st.data())
def test_packs_are_few_and_balanced_and_their_names_fit(
    count: int, size: int, data: st.DataObject
) -> None:
    levels = [f"{i}.{'5' * (i % 20)}" for i in range(1, count + 1)]
    most = min(size, most_levels(levels))
    plan = plan_packs(levels, size=size, existing=[])
    sizes = [len(levels_of(pack)) for pack in plan]
    assert len(plan) == -(-count // most)
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert max(map(len, plan)) <= LONGEST
    finished = data.draw(st.sets(st.sampled_from(plan)))
    assert plan_packs(levels, size=size, existing=finished) == plan


@given(
    wanted=st.lists(st.sampled_from(LEVELS), min_size=2, unique=True),
    size=st.integers(1, 5),
    at=st.integers(0, 8),
)
def test_an_added_level_makes_one_new_pack(wanted: list[str], size: int, at: int) -> None:
    new = wanted[at % len(wanted)]
    before = plan_packs([v for v in wanted if v != new], size=size, existing=[])
    assert set(plan_packs(wanted, size=size, existing=before)) == {*before, new}


def test_packs_lie_in_a_folder_as_records(tmp_path: Path) -> None:
    for name in ("rho=8_4.nc", "rho=2.nc", "rho=3.safetensors", ".rho=5.nc.7.tmp", "rho=x.nc", "a"):
        (tmp_path / name).touch()
    assert packs_in(tmp_path) == ["2", "8_4"]
    assert packs_in(tmp_path / "none") == []
    assert packs_in(tmp_path / "a") == []
