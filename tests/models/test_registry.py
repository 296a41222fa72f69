"""Architectures, found by name and read from their source."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from mfbench.models.registry import declaration, load_class, locate, registered
from tests.conftest import architecture_settings


def write(folder: Path, text: str) -> str:
    file = folder / "own.py"
    file.write_text("from mfbench.models.mixer import Mixer\n" + text)
    return str(file)


def test_every_registered_class_is_loaded_and_declares_its_options() -> None:
    assert list(registered()) == [
        *("gru", "lru", "lstm", "rnn", "s4d", "stable_ssm", "tcn", "transformer")
    ]
    for source in registered().values():
        loaded = load_class(source)
        assert loaded.__name__ == source.class_name
        found = declaration(source)
        assert set(found.stack) == {"layers", "norm", "residual", "activation"}
        for key, (_, default) in found.stack.items():
            assert getattr(loaded, key) == default  # ast reads the same as Python


def test_options_have_the_types_and_defaults_of_the_signature() -> None:
    options = declaration(locate("s4d")).options
    assert options["init"] == (Literal["lin", "inv", "legs", "real"], "lin")
    assert options["dt_min"][1] == 0.001


def test_an_option_without_a_default_is_required(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "class Own(Mixer):\n"
        "    def __init__(self, width, layer, length, *, taps: int, gain: float | None = None):\n"
        "        super().__init__()\n",
    )
    options = declaration(locate(f"{file}:Own")).options
    assert options == {"taps": (int, ...), "gain": (float | None, None)}


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("taps=3", "option 'taps' of Own has no annotation"),
        ("taps: Path = 3", "annotation and default must be literals"),
        ("taps: int = compute()", "annotation and default must be literals"),
    ],
)
def test_options_that_a_study_cannot_express_are_refused(
    signature: str, message: str, tmp_path: Path
) -> None:
    file = write(
        tmp_path,
        "class Own(Mixer):\n"
        f"    def __init__(self, width, layer, length, *, {signature}):\n"
        "        super().__init__()\n",
    )
    with pytest.raises(ValueError, match=message):
        declaration(locate(f"{file}:Own"))


def test_reading_a_declaration_runs_nothing(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "raise SystemExit('imported')\n"
        "class Own(Mixer):\n"
        "    layers = 3\n"
        "    def __init__(self, width, layer, length, *, gain: float = 2.0):\n"
        "        super().__init__()\n",
    )
    found = declaration(locate(f"{file}:Own"))
    assert found.options == {"gain": (float, 2.0)}
    assert found.stack["layers"][1] == 3


def test_a_file_may_use_dataclasses_and_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "__init__.py").write_text("GAIN = 3\n")
    file = tmp_path / "own.py"
    file.write_text(
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "import near\n"
        "from mfbench.models.mixer import Mixer\n"
        "@dataclass\nclass Setup:\n    gain: int = near.GAIN\n"
        "class Own(Mixer):\n    setup = Setup()\n"
    )
    assert load_class(locate(f"{file}:Own")).setup.gain == 3


def test_a_file_that_is_not_python_is_named(tmp_path: Path) -> None:
    file = write(tmp_path, "class Own(Mixer:\n")
    with pytest.raises(ValueError, match=r"own\.py is not valid Python"):
        locate(f"{file}:Own")


def test_a_model_is_built_with_its_own_defaults() -> None:
    from mfbench.models.build import build_model

    model = build_model({"model": "s4d"}, width=4, length=16)
    explicit = build_model(architecture_settings("s4d"), width=4, length=16)
    assert str(model) == str(explicit)
