"""docs/architectures.md is made from the code."""

from mfbench.models.catalogue import page
from tests.conftest import REPOSITORY


def test_the_page_of_architectures_has_not_drifted() -> None:
    kept = (REPOSITORY / "docs" / "architectures.md").read_text()
    assert kept == page(), "run: python -m mfbench.models.catalogue docs/architectures.md"
