"""The models of a study are really built when it is planned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mfbench.study.study import StudyError, load_study
from tests.conftest import REPOSITORY, small_study


def study_of(**architectures: dict[str, Any]) -> dict[str, Any]:
    return small_study() | {"architectures": architectures}


OWN = """
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from mfbench.models.mixer import Mixer
from mfbench.models.architectures.tcn import TCN
if TYPE_CHECKING:
    from nowhere import Thing

class Wide(TCN):
    layers = 7

class Passing(TCN):
    def __init__(self, *args, gain: float = 2.0, **others):
        super().__init__(*args, **others)

class Free(Mixer):
    activation = "tanh"
    def __init__(self, width, layer, length, mode="a", *, taps, file: Path = Path("x"),
                 thing: Thing = None, both: int | list[int] = 1, fast: bool = False):
        super().__init__()
        if mode not in "ab":
            raise ValueError(f"mode = {mode} is not a or b")

class Other: pass

class Ends(Mixer):
    def __init__(self, width, layer, length):
        print("{}")
        raise SystemExit(3)

class Dies(Mixer):
    def __init__(self, width, layer, length):
        import os
        os._exit(0)
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    return str(file)


def test_models_have_their_own_defaults(own: str) -> None:
    """Any arguments, with any annotations or none."""
    study = load_study(
        study_of(
            wide={"model": f"{own}:Wide", "options": {"kernel_size": 2}},
            passing={"model": f"{own}:Passing", "options": {"gain": 1, "kernel_size": 2}},
            free={"model": f"{own}:Free", "norm": "rms", "options": {"taps": {"a": [1]}}},
        )
    )
    models = study.models
    assert models["wide"].settings == {
        "model": f"{own}:Wide",
        "layers": 7,
        "norm": "none",
        "residual": False,
        "activation": "none",
        "options": {"kernel_size": 2, "dilation_base": 2},
    }
    passing = models["passing"].settings["options"]
    assert passing == {"gain": 1.0, "kernel_size": 2, "dilation_base": 2}
    free = models["free"].settings
    assert (free["norm"], free["activation"]) == ("rms", "tanh")
    expected = {"mode": "a", "taps": {"a": [1]}, "thing": None, "both": 1, "fast": False}
    assert free["options"] == expected  # JSON cannot hold a Path: left to the constructor
    assert models["wide"].files == (Path(own).resolve(),)
    assert "models.architectures.tcn" in models["wide"].modules


def test_what_cannot_be_built_is_named(own: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("X = 1\nclass Own(:\n")
    (tmp_path / "lacks.py").write_text("\nimport nowhere\nclass Own: ...\n")
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "heads": (
            {"model": "transformer", "widths": [15, 16]},
            "widths[0]: width 15: width = 15 is not a multiple of heads = 2",
        ),
        "unknown": (
            {"model": "s4d", "options": {"stat": 4}},
            "options.stat: S4D has no such option; it has: state, init, dt_min, dt_max",
        ),
        "value": (
            {"model": "s4d", "options": {"init": "hippo"}},
            "options.init: 'hippo': Input should be 'lin', 'inv', 'legs' or 'real'",
        ),
        "null": ({"model": "s4d", "options": {"state": None}}, "options.state: None: "),
        "truth": ({"model": "s4d", "options": {"state": True}}, "options.state: True: "),
        "required": ({"model": f"{own}:Free"}, "options.taps: this option is required"),
        "mode": (
            {"model": f"{own}:Free", "options": {"taps": 1, "mode": "c"}},
            "mode = c is not a or b (own.py:24)",
        ),
        "other": (
            {"model": f"{own}:Other"},
            "Other is neither a subclass of torch.nn.Module nor a function",
        ),
        "bad": ({"model": f"{tmp_path}/bad.py:Own"}, "SyntaxError: "),
        "lacks": (
            {"model": f"{tmp_path}/lacks.py:Own"},
            "No module named 'nowhere' (lacks.py:2)",
        ),
        "ends": ({"model": f"{own}:Ends"}, "widths[0]: width 16: SystemExit: 3 (own.py:31)"),
        "dies": ({"model": f"{own}:Dies"}, "model: building it ended the process"),
    }
    study = load_study(study_of(**{name: entry for name, (entry, _) in cases.items()}))
    with pytest.raises(StudyError) as caught:
        _ = study.models
    header, *lines = str(caught.value).splitlines()
    assert header == "the study is not a valid study:"
    assert len(lines) == len(cases)
    for line, (name, (_, message)) in zip(lines, cases.items(), strict=True):
        assert line.startswith(f"  architectures.{name}.")
        assert message in line


def test_models_are_built_once_and_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    built = tmp_path / "built"
    (tmp_path / "near.py").write_text("X = 1\n")
    (tmp_path / "own.py").write_text(
        "import near\n"
        "from mfbench.models.mixer import Mixer\n"
        "class Own(Mixer):\n"
        "    def __init__(self, width, layer, length):\n"
        "        super().__init__()\n"
        f"        open({str(built)!r}, 'a').write('x')\n"
    )

    def count(widths: list[int]) -> int:
        built.write_text("")
        models = load_study(study_of(own={"model": "own.py:Own", "widths": widths})).models
        assert set(models) == {"own"}
        return len(built.read_text())

    assert [count([2, 3]), count([2, 3]), count([4])] == [2, 0, 1]
    (tmp_path / "near.py").write_text("X = 2\n")
    assert [count([2, 3]), count([2, 3])] == [2, 0]


def test_a_study_knows_the_state_sizes_of_its_models() -> None:
    """Those below the sequence length; a transformer has no state of fixed size."""
    architectures = {"rnn": {"widths": [4, 15, 16]}, "transformer": {"widths": [4]}}
    assert load_study(study_of(**architectures)).state_sizes() == [4, 15]


def test_planning_a_known_study_imports_neither_torch_nor_xarray() -> None:
    code = (
        "import sys; from mfbench.study.study import read_study; "
        "study = read_study('config.yaml'); study.models; "
        "import mfbench.workflow.plan, mfbench.workflow.code; "
        "from mfbench.predictions.catalogue import predictions; predictions(); "
        "print(sorted({'torch', 'xarray', 'pandas', 'altair'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[]"
