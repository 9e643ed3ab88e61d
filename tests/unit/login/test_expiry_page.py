"""The page about what expires is the table's."""

from pathlib import Path

from worker.login.expiry_page import markdown

PAGE = Path(__file__).parents[3] / "docs" / "expiry.md"


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text() == markdown(), "python -m worker.login.expiry_page > docs/expiry.md"
