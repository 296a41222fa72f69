"""Trained levels that several tests evaluate."""

from __future__ import annotations

import pytest

from tests.evaluation.groups import (
    Files,
    make_level,
)


@pytest.fixture(scope="module")
def rnn_files(tmp_path_factory: pytest.TempPathFactory) -> list[Files]:
    folder = tmp_path_factory.mktemp("rnn")
    return [make_level(folder, "rnn", 0.3), make_level(folder, "rnn", 0.5, spoil=True)]
