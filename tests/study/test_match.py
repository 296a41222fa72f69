"""A study may ask for a size instead of a width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mfbench.models.build import build_model
from mfbench.models.ensemble import trained_parameters
from mfbench.study.study import Study, StudyError, load_study
from tests.conftest import small_study

EVEN = """
from torch import nn
class Even(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        if width % 6:
            raise ValueError("6 must divide the width")
        self.a, self.b = nn.Linear(1, width), nn.Linear(width, 1)
    def forward(self, x):
        return self.b(self.a(x))
"""


def study_of(size: dict[str, int] | None = None, **architectures: Any) -> Study:
    study = small_study() | {"architectures": architectures}
    return load_study(study | ({"match": size} if size else {}))


def sizes(study: Study, name: str, width: int) -> tuple[int, int | None]:
    model = build_model(study.models[name].settings, width=width, length=study.task.length)
    return sum(p.numel() for p in trained_parameters(model).values()), model.state_size


def test_the_width_with_the_closest_size_is_found(tmp_path: Path) -> None:
    (tmp_path / "even.py").write_text(EVEN)
    study = study_of(
        {"parameters": 2000},
        rnn={},
        gru={"match": {"state": 7}},
        transformer={},
        wide={"model": "rnn", "widths": [3, 5]},
        even={"model": f"{tmp_path}/even.py:Even", "match": {"parameters": 100}},
    )
    assert study.widths("wide") == [3, 5]
    assert study.widths("gru") == [7]
    assert study.widths("even") == [36]  # 109 parameters; 30 would be 91, further away as a ratio
    for name, step in (("rnn", 1), ("transformer", 4)):  # rotary positions of two heads
        (width,) = study.widths(name)
        found = {w: sizes(study, name, w)[0] for w in (width - step, width, width + step)}
        assert min(found, key=lambda w: max(found[w] / 2000, 2000 / found[w])) == width
    assert ("transformer", *study.widths("transformer"), "impulse") in study.groups()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"match": {"state": 4, "parameters": 9}}, "give either parameters or state"),
        ({"match": {}}, "give either parameters or state"),
        ({"match": {"state": 4}, "widths": [4]}, "give either widths or match"),
    ],
)
def test_a_size_is_given_once(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        study_of(one={"model": "rnn", **settings})


def test_sizes_that_cannot_be_met_are_refused() -> None:
    study = study_of(
        one={"model": "rnn", "match": {"parameters": 4}},
        two={"model": "transformer", "match": {"state": 4}},
        three={"model": "lru", "match": {"state": 64}},
    )
    with pytest.raises(StudyError) as caught:
        _ = study.models
    expected = (
        "closest is width 1 with",
        "its state has no fixed size",
        "state (32) do not depend on the width",
    )
    for line, message in zip(str(caught.value).splitlines()[1:], expected, strict=True):
        assert message in line
