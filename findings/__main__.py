"""Write docs/findings.md from findings/template.md and the cubes in this folder.

python -m findings                       write the page
python -m findings keep CUBE NAME        keep the part of a cube that the page needs as NAME.nc
python -m findings ship RESULTS...       ship the cubes of these folders of results in reference/
python -m findings verdicts CUBE...      keep the verdicts on predictions as verdicts.csv
"""

from __future__ import annotations

import sys
from pathlib import Path

import jinja2

from findings.marks import marks_table
from findings.ship import FOLDER as SHIPPED
from findings.ship import ship
from findings.study import Study, keep, short
from findings.verdicts import keep_verdicts, verdict_table
from mfbench.files import write_text

FOLDER = Path(__file__).parent
VERDICTS = FOLDER / "verdicts.csv"
PAGE = FOLDER.parent / "docs" / "findings.md"


def page() -> str:
    """The page."""
    studies = {path.stem: Study(path) for path in [*FOLDER.glob("*.nc"), *SHIPPED.glob("*.nc")]}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 (Markdown)
    )
    environment.filters["short"] = short
    template = environment.get_template("template.md")
    return template.render(studies, marks_table=marks_table, verdicts=verdict_table(VERDICTS))


def main(arguments: list[str]) -> None:
    """Run a command."""
    match arguments:
        case []:
            write_text(PAGE, page())
        case ["keep", cube, name]:
            keep(cube, FOLDER / f"{name}.nc")
        case ["ship", *folders] if folders:
            for folder in folders:
                ship(folder)
        case ["verdicts", *cubes] if cubes:
            keep_verdicts(cubes, VERDICTS)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
