"""docs/sign-in-errors.md is the table of the token endpoint's errors, and nothing else."""

from pathlib import Path

import pytest

from worker.login.endpoint_errors import NAMED, NUMBERED, Row
from worker.login.endpoint_page import page

PAGE = Path(__file__).parents[3] / "docs" / "sign-in-errors.md"


def test_the_committed_page_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m worker.login.endpoint_page > docs/sign-in-errors.md"


@pytest.mark.parametrize("row", [*NUMBERED, *NAMED], ids=lambda row: str(row.number or row.error))
def test_each_row_has_its_line(row: Row) -> None:
    begin = f"| {row.number}<br>`{row.error}` | " if row.number is not None else f"| `{row.error}` | "
    line = next(line for line in page().splitlines() if line.startswith(begin + row.meaning))
    assert f" | {row.who} | " in line
    assert ("doesn't count" in line) is not row.counts
    assert "{" not in line
    assert line.count("|") == 7
