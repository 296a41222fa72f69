"""docs/findings.md: its numbers are those of the kept cubes, and none is typed by hand."""

from __future__ import annotations

import re

from findings.__main__ import FOLDER, PAGE, page


def test_the_page_shows_the_numbers_of_the_kept_cubes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m findings`"


def test_no_error_is_typed_by_hand() -> None:
    template = (FOLDER / "template.md").read_text(encoding="utf-8")
    for inserted in (r"\{\{.*?\}\}", r"\{%.*?%\}", r"`.*?`", r"\]\(.*?\)"):
        template = re.sub(inserted, "", template, flags=re.DOTALL)
    typed = re.findall(r"(?<![\w.])\d*\.\d+", template)
    assert set(typed) <= {"2506.05678", "2411.19455"}  # papers
