"""What headers say of messages that all have the same ones: case by case, with the rows that each message may be."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.pipeline.test_matching import Found, record
from worker.journal.records import Place, Record
from worker.message.outcome import State
from worker.pipeline.matching import Matches, matched, may_be, needs_content
from worker.pipeline.whereabouts import claim, was_renumbered, which_of

HERE, BEFORE, UNPLACED = Place("INBOX", 14, 3), Place("INBOX", 13, 3), Place("INBOX", 14, None)
AWAY = Place("Processed", 20, 3)
PARTS, OTHER, HEADERS, OTHER_HEADERS = "parts:a", "parts:b", "head:one", "head:two"
PENDING, HANDLED, GONE, JUNK = State.PENDING, State.HANDLED, State.GONE, State.JUNK


def row(
    number: int = 1,
    state: State = PENDING,
    content: str | None = None,
    *,
    place: Place = AWAY,
    size: int = 100,
    date: float = 1.0,
    doubtful: bool = False,
) -> Record:
    return record(number, state, place, size, date, content, doubtful=doubtful)


def one(uid: int = 10, *, size: int = 100, date: float = 1.0, mark: str = HEADERS) -> Found:
    return Found(uid, size, date, mark)


def told(found: Sequence[Found], lost: Sequence[Record], placed: Sequence[Record] = ()) -> dict[str, Any]:
    """What came of it, without what is empty."""
    matches: Matches[Found] = matched(found, lost, placed, lambda each: each.header_mark)
    all_of = {
        "known": [(each.uid, known.id) for each, known in matches.known],
        "doubtful": [each.uid for each in matches.doubtful],
        "new": [each.uid for each in matches.new],
        "lost": [each.id for each in matches.lost],
        "again": [each.id for each in matches.again],
    }
    return {name: value for name, value in all_of.items() if value}


@pytest.mark.parametrize(
    ("found", "lost", "expected"),
    [
        pytest.param([one()], [], {"new": [10]}, id="no row: new"),
        pytest.param([one()], [row()], {"known": [(10, 1)]}, id="one not done and one message: it"),
        pytest.param([one()], [row(state=HANDLED)], {"known": [(10, 1)]}, id="done, of unknown content and the size"),
        pytest.param([one(size=101)], [row(state=HANDLED)], {"new": [10]}, id="done, and of another size"),
        pytest.param([one(date=2.0)], [row()], {"known": [(10, 1)]}, id="unknown content: the date may differ"),
        pytest.param([one()], [row(content=PARTS)], {"known": [(10, 1)]}, id="not done, of the same date"),
        pytest.param(
            [one(date=2.0)], [row(content=PARTS)], {"doubtful": [10], "lost": [1]}, id="not done, of another date"
        ),
        pytest.param(
            [one()], [row(state=HANDLED, content=PARTS)], {"doubtful": [10], "lost": [1]}, id="done elsewhere"
        ),
        pytest.param(
            [one()], [row(state=HANDLED, content=PARTS, place=BEFORE)], {"known": [(10, 1)]}, id="done, renumbered"
        ),
        pytest.param(
            [one(date=2.0)],
            [row(state=HANDLED, content=PARTS, place=BEFORE)],
            {"doubtful": [10], "lost": [1]},
            id="done, renumbered, of another date",
        ),
        pytest.param(
            [one()],
            [row(state=HANDLED, content=PARTS, place=UNPLACED, doubtful=True)],
            {"doubtful": [10], "lost": [1]},
            id="lost",
        ),
        pytest.param(
            [one(), one(11)],
            [row(content=PARTS)],
            {"doubtful": [10, 11], "lost": [1]},
            id="more messages than rows: the content decides",
        ),
        pytest.param(
            [one(), one(11)], [row()], {"known": [(10, 1)], "new": [11]}, id="more messages than rows of no content"
        ),
        pytest.param(
            [one(), one(11)],
            [row(1, content=PARTS), row(2, content=OTHER)],
            {"known": [(10, 1), (11, 2)]},
            id="as many messages as rows",
        ),
        pytest.param(
            [one(), one(11)],
            [row(1, content=PARTS), row(2, state=HANDLED, content=OTHER)],
            {"doubtful": [10, 11], "lost": [2, 1]},
            id="one of two needs its content, so both do",
        ),
        pytest.param(
            [one(date=1.0), one(11, date=1.0)],
            [row(1, content=PARTS, date=1.0), row(2, date=2.0)],
            {"known": [(10, 2)], "doubtful": [11], "lost": [1]},
            id="more of one date than rows of it",
        ),
        pytest.param(
            [one(date=2.0), one(11, date=1.0)],
            [row(1, date=1.0), row(2, date=2.0)],
            {"known": [(10, 2), (11, 1)]},
            id="each to the row of its date",
        ),
        pytest.param(
            [one(date=2.0), one(11, date=1.0)],
            [row(1, date=1.0)],
            {"known": [(11, 1)], "new": [10]},
            id="a copy that is listed first takes no row",
        ),
        pytest.param(
            [one(mark=OTHER_HEADERS)], [row(state=JUNK, content=HEADERS)], {"new": [10]}, id="junk of other headers"
        ),
        pytest.param([one()], [row(state=JUNK, content=HEADERS)], {"known": [(10, 1)]}, id="junk of the same headers"),
        pytest.param(
            [one(date=2.0)],
            [row(content=HEADERS)],
            {"new": [10]},
            id="not done, of which only the headers were handed over: another date",
        ),
    ],
)
def test_what_each_message_is(found: list[Found], lost: list[Record], expected: dict[str, Any]) -> None:
    assert told(found, lost) == expected


def test_a_message_too_many_puts_what_lies_there_by_its_headers_in_doubt() -> None:
    by_headers = row(5, HANDLED, PARTS, place=HERE, doubtful=True)
    sure, unknown = row(6, HANDLED, PARTS, place=HERE), row(7, HANDLED, None, place=HERE, doubtful=True)
    placed = [by_headers, sure, unknown]
    assert told([one()], [], placed) == {"doubtful": [10], "lost": [5], "again": [5]}
    assert told([one()], [row()], placed) == {"known": [(10, 1)]}
    assert told([one()], [], [sure, unknown]) == {"new": [10]}


def test_a_message_that_is_there_as_often_as_its_rows_of_its_date_say_is_known() -> None:
    rows = [row(1, content=PARTS), row(2, content=OTHER, date=2.0)]
    assert told([one(date=2.0), one(11)], rows) == {"known": [(10, 2), (11, 1)]}


@pytest.mark.parametrize(
    ("record", "dates", "needs"),
    [
        (row(doubtful=True, content=PARTS, place=UNPLACED), [1.0], True),
        (row(doubtful=True, content=HEADERS, place=UNPLACED), [1.0], True),
        (row(content=None), [2.0], False),
        (row(content=HEADERS, state=HANDLED), [2.0], False),
        (row(content=PARTS), [1.0], False),
        (row(content=PARTS), [2.0], True),
        (row(content=PARTS), [2.0, 1.0], False),
        (row(content=PARTS, state=GONE), [1.0], False),
        (row(content=PARTS, state=HANDLED), [1.0], True),
        (row(content=PARTS, state=HANDLED, place=BEFORE), [1.0], False),
        (row(content=PARTS, state=HANDLED, place=BEFORE), [2.0], True),
    ],
)
def test_when_only_the_content_can_show_what_a_message_is(record: Record, dates: list[float], needs: bool) -> None:
    assert needs_content(record, [one(10 + n, date=date) for n, date in enumerate(dates)]) is needs


@pytest.mark.parametrize(
    ("record", "seen", "may"),
    [
        (row(content=None), one(date=9.0, mark=OTHER_HEADERS), True),
        (row(content=PARTS), one(date=9.0, mark=OTHER_HEADERS), True),
        (row(content=HEADERS, state=JUNK), one(date=9.0), True),
        (row(content=HEADERS, state=JUNK), one(mark=OTHER_HEADERS), False),
        (row(content=HEADERS), one(), True),
        (row(content=HEADERS), one(date=9.0), False),
        (row(content=HEADERS, state=GONE), one(date=9.0), False),
        (row(content=HEADERS, place=BEFORE), one(date=9.0, mark=OTHER_HEADERS), True),
    ],
)
def test_of_junk_whose_body_was_never_fetched_all_headers_are_the_same(record: Record, seen: Found, may: bool) -> None:
    assert may_be(record, seen, seen.header_mark) is may


# -- which row, if there are several


BASE = row(9, HANDLED, size=1, date=9.0)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (
            replace(BASE, id=2, place=Place("INBOX", 14, 10)),
            replace(BASE, id=1, size=100, received_at=1.0, state=PENDING),
        ),
        (replace(BASE, id=2, size=100), replace(BASE, id=1, received_at=1.0, state=PENDING)),
        (replace(BASE, id=2, state=PENDING, received_at=1.0), replace(BASE, id=1, state=PENDING)),
        (replace(BASE, id=2, state=PENDING), replace(BASE, id=1)),
        (replace(BASE, id=2, state=GONE), replace(BASE, id=1)),
        (replace(BASE, id=1, state=PENDING), replace(BASE, id=2, state=PENDING)),
    ],
)
def test_a_message_is_the_row_of_its_place_then_of_its_size_then_of_its_date_then_the_open_one(
    better: Record, worse: Record
) -> None:
    seen = one(size=100 if better.place != Place("INBOX", 14, 10) else 1)
    if better.place == Place("INBOX", 14, 10):
        worse = replace(worse, size=1)
    for candidates in ([better, worse], [worse, better]):
        assert which_of(candidates, seen) == better
        assert candidates == [worse]


@pytest.mark.parametrize(
    ("record", "taken"),
    [
        (row(state=HANDLED, size=1), False),
        (row(state=State.FAILED, size=1), False),
        (row(state=HANDLED), True),
        (row(state=PENDING, size=1), True),
        (row(state=GONE, size=1), True),
        (row(state=JUNK, size=1), True),
        (row(state=JUNK, size=1, place=Place("INBOX", 14, 99)), False),
        (row(state=HANDLED, size=1, place=BEFORE), True),
        (row(state=HANDLED, size=1, place=UNPLACED), True),
    ],
)
def test_a_message_of_another_size_is_never_taken_for_one_that_is_done(record: Record, taken: bool) -> None:
    candidates = [record]
    assert which_of(candidates, one()) == (record if taken else None)
    assert candidates == ([] if taken else [record])


def test_without_a_row_a_message_is_none() -> None:
    assert which_of([], one()) is None


@pytest.mark.parametrize(
    ("place", "renumbered"),
    [(HERE, False), (BEFORE, True), (UNPLACED, True), (AWAY, False), (Place("Processed", 13, None), False)],
)
def test_a_place_in_its_own_folder_whose_number_is_not_known_any_more_is_renumbered(
    place: Place, renumbered: bool
) -> None:
    assert was_renumbered(row(place=place), Place("INBOX", 14, 7)) is renumbered


def test_a_stranger_is_claimed_once() -> None:
    found = {"a": [4, 7]}
    assert [claim(found, row()) for _ in range(3)] == [True, True, False]
    assert not claim({}, row())
    assert found == {"a": []}
