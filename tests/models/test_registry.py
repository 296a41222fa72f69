"""Architectures, found by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfbench.models.registry import load_class, locate, registered
from tests.conftest import architecture_settings


def test_every_registered_class_is_found_and_loaded() -> None:
    assert list(registered()) == [
        *("dilated_convolution", "esn", "gated_deltanet", "gla", "gru", "hyena", "lru", "lstm"),
        *("mamba", "mamba2", "mingru", "mlstm", "retnet", "rnn", "rwkv7", "s4d", "s5", "slstm"),
        *("stable_ssm", "tcn", "transformer"),
    ]
    for source in registered().values():
        assert load_class(source).__name__ == source.class_name


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


def test_a_class_whose_name_is_not_in_its_file_is_told_without_running_it(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("raise RuntimeError\nclass Own: ...\ndef make(): ...\n")
    with pytest.raises(ValueError, match=r"no class or function 'Onw'; it has: Own, make$"):
        locate(f"{file}:Onw")
    file.write_text("globals()['O' + 'nw'] = 3\n")  # a name that only running it shows
    assert load_class(locate(f"{file}:Onw")) == 3


def test_a_model_is_built_with_its_own_defaults() -> None:
    from mfbench.models.build import build_model

    model = build_model({"model": "s4d"}, width=4, length=16)
    explicit = build_model(architecture_settings("s4d"), width=4, length=16)
    assert str(model) == str(explicit)
