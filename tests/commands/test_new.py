"""What `mfbench new` writes runs as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfbench.__main__ import main
from mfbench.models.build import build_model
from mfbench.models.judging import check_promises
from mfbench.study.study import read_study
from tests.conftest import architecture_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_study_is_valid_and_says_what_to_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "study", "first-try"]) == 0
    assert "mfbench run first-try.yaml" in capsys.readouterr().out
    study = read_study("first-try.yaml")
    assert (study.name, len(study.architectures), len(study.kernels)) == ("first-try", 3, 2)
    # What is commented out can be used, too.
    text = Path("first-try.yaml").read_text()
    for comment in ("# refine: {", "# diagnose: {"):
        text = text.replace(comment, comment.removeprefix("# "))
    assert main(["new", "architecture", "mine"]) == main(["new", "kernel", "bell"]) == 0
    text = text.replace("# Of your own (mfbench new kernel NAME): mine:", "bell:")
    text = text.replace("# Of your own (mfbench new architecture NAME): mine:", "mine:")
    Path("first-try.yaml").write_text(text.replace("family: mine.py", "family: bell.py"))
    study = read_study("first-try.yaml")
    assert study.phases == ["study", "refine", "diagnose"]
    assert [level.memory_length for level in study.levels("bell")] == [4, 16]
    assert len(study.models) == 4
    assert study.models["mine"].settings["options"] == {"taps": 4}


def test_an_architecture_keeps_the_promises() -> None:
    assert main(["new", "architecture", "my-gated.py"]) == 0
    settings = architecture_settings("my-gated.py:MyGated", options={"taps": 3})

    def build():
        return build_model(settings, width=4, length=12)

    assert check_promises(build, length=12) == []
    assert build().receptive_field == 5  # two layers of three taps
    text = Path("my-gated.py").read_text()
    Path("my-gated.py").write_text(text.replace("return self.taps", "return self.taps - 1"))
    with pytest.raises(Exception, match="receptive_field"):
        check_promises(build, length=12)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["kernel", "bell"], 1, "bell.py exists: choose another name"),
        (["kernl", "bell"], 2, "'kernl' is not one of 'study', 'architecture', 'kernel'"),
        (["kernel", "a/b"], 2, "'a/b': use letters, digits, _ and -"),
    ],
)
def test_nothing_is_overwritten(arguments, status, says, folder: Path, capsys) -> None:
    (folder / "bell.py").write_text("mine")
    assert main(["new", *arguments]) == status
    assert says in capsys.readouterr().err
    assert [path.read_text() for path in folder.iterdir()] == ["mine"]
