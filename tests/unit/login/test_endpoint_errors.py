"""The table of the token endpoint's errors is whole: each error once, what it means, who acts, and what they do."""

from collections import Counter

import pytest

from worker.login.endpoint_errors import BY_ERROR, BY_NUMBER, NAMED, NAMED_WITH_PASSWORD, NUMBERED, Row, Then, Who
from worker.mailbox.login_failures import HALTING, TRANSIENT, FailureClass

F = FailureClass
ROWS = [*NUMBERED, *NAMED, *NAMED_WITH_PASSWORD]
ROW = pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row.number or row.error))


def test_each_error_is_in_the_table_once() -> None:
    for rows in (NUMBERED, NAMED, NAMED_WITH_PASSWORD):
        assert max(Counter((row.number, row.error) for row in rows).values()) == 1
    assert len(BY_NUMBER) == len(NUMBERED) >= 44
    assert {row.error for row in NAMED_WITH_PASSWORD} <= set(BY_ERROR)


@ROW
def test_each_row_is_whole(row: Row) -> None:
    assert row.error in BY_ERROR
    assert row.meaning.endswith((".", ".)"))
    assert row.do.format(administrator="A", account="B")
    assert not row.do.endswith(".")
    assert row.cls is not F.AMBIGUOUS
    assert row.number is None or 10_000 <= row.number < 10**8


@ROW
def test_who_acts_and_how_it_is_tried_again_fit_what_it_means(row: Row) -> None:
    assert (row.who is Who.NOBODY) == (row.then is Then.WAIT) == (row.cls in TRANSIENT)
    assert (row.cls is F.SIGN_IN_AGAIN) == (row.then is Then.SIGN_IN)
    if row.cls in {F.LOCKED, F.DISABLED}:
        assert row.who is Who.ADMINISTRATOR


@ROW
def test_what_is_free_with_the_password_halts_or_passes(row: Row) -> None:
    """So a password that isn't counted isn't sent again and again."""
    assert row.counts or row.cls in HALTING | TRANSIENT
    if row.cls in {F.REJECTED, F.LOCKED, F.DISABLED, F.EXPIRED}:
        assert row.counts
    if row.number is None:
        assert row.counts
