"""Study files are read strictly, and each message has a file, a line and a column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mfbench.study.document import StudyError, read_documents
from mfbench.study.study import read_study


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3:1: the key 'a' is given twice, first in line 1"),
        ("a: {b: 1, b: 2}\n", ":1:11: the key 'b' is given twice, first in line 1"),
        ("rho: [1, 010]\n", ":1:10: 010 is octal to some readers"),
        ("no: 1\n", ":1:1: no is .*write the name in quotes"),
        ("norm: off\n", ":1:7: off is .*write the name in quotes, or true or false"),
        ("8: x\n", ":1:1: 8 is not text: write the name in quotes"),
        ("a: 1\n\tb: 2\n", ":2:1: not valid YAML: found character '.t'"),
        ("a: [1,\nb: 2\n", ":3:1: not valid YAML while .* from line 1: "),
        ("a: !!python/object:os.system {}\n", ":1:4: tags such as !!python/object"),
        ("a: &a [1]\nc: {<<: *a}\n", ":2:4: << takes one alias of a mapping"),
        ("a: &a [*a]\n", ":1:4: nested too deeply"),
        ("a: 1\n---\nb: 2\n", ":2:1: not valid YAML"),
        ("- 1\n", " must hold keys with values"),
        ("", " must hold keys with values"),
    ],
)
def test_what_two_readers_could_take_for_two_things_is_refused(
    text: str, expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(StudyError, match=f"^{file}{expected}") as caught:
        read_documents([file])
    assert "\n" not in str(caught.value)


def test_files_that_hold_no_text_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: a\n# für\n".encode("latin-1"))
    with pytest.raises(StudyError, match=r"latin\.yaml:2: .* UTF-8 \(found byte 0xfc\)"):
        read_documents([latin])
    with pytest.raises(StudyError, match="is a folder: give a study"):
        read_documents([tmp_path])
    with pytest.raises(StudyError, match="No such file"):
        read_documents([tmp_path / "typo.yaml"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("12", 12), ("-3", -3), ("0x10", 16), ("0o10", 8), ("1e-3", 1e-3), ("2.", 2.0)),
        *((".5", 0.5), ("-.inf", float("-inf")), ("true", True), ("False", False), ("~", None)),
        *(("", None), ("NULL", None), ("1:5", "1:5"), ("2024-01-01", "2024-01-01")),
        *(("1_000", "1_000"), ("'010'", "010"), ('"no"', "no"), ("tRUE", "tRUE")),
        *(("[1, [2, {b: 3}]]", [1, [2, {"b": 3}]]), ("|\n  12\n", "12\n")),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text: str, value: Any, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(f"a: {text}\n")
    found = read_documents([file]).content["a"]
    assert (found, type(found)) == (value, type(value))


def test_later_files_and_the_command_line_add_to_the_earlier(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("name: a\ntraining: {steps: 5, seeds: [1]}\n")
    second.write_text("training:\n  seeds: [2]\n")
    document = read_documents([first, second], ["training={batch_size: 8}", "name=c"])
    assert document.content == {
        "name": "c",
        "training": {"steps": 5, "seeds": [2], "batch_size": 8},
    }
    assert document.place(("training", "seeds", 0)) == f"{second}:2:11"
    assert document.place(("training", "steps", "x")) == f"{first}:2:12"
    assert document.place(("training", "batch_size")) == "--config training"
    with pytest.raises(StudyError, match=r"^--config steps: 010 is octal"):
        read_documents([first], ["steps=010"])


def test_merged_keys_give_way_to_a_mappings_own(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("a: &a {b: 1, c: 1}\nd: {c: 2, <<: *a}\n")
    document = read_documents([file])
    assert document.content["d"] == {"b": 1, "c": 2}
    assert document.place(("d", "b")) == f"{file}:1:8"
    assert document.place(("d", "c")) == f"{file}:2:5"


def test_a_wrong_value_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        "name: trial\n"
        "kernels:\n"
        "  impulse: {rho: [1.5]}\n"
        "architectures:\n"
        "  rnn: {widths: [8]}\n"
        "training:\n"
        "  seeds: [0, true, 1:5]\n"
        "  stepps: 3\n"
    )
    with pytest.raises(StudyError) as caught:
        read_study(file)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{file} is not a valid study:"
    assert lines[1] == f"  {file}:7:14: training.seeds[1] = True: Input should be a valid integer"
    assert lines[2].startswith(f"  {file}:7:20: training.seeds[2] = '1:5': ")
    assert lines[3].startswith(f"  {file}:8:3: training.stepps: unknown key; allowed here: ")
