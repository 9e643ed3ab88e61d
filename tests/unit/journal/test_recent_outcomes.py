"""What the status page shows of the messages: outcomes by the hour and the day, and the newest few of a state."""

import orjson
import pytest
from sqlalchemy import delete, insert, select, text

from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.recent_outcomes import (
    DAY,
    DAYS,
    HOUR,
    Newest,
    Span,
    newest,
    oldest_pending,
    recent_outcomes,
)
from worker.journal.records import NewMessage, Place, Result
from worker.journal.schema import fact, message
from worker.journal.tries import Tries
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict

MIDNIGHT = 1_780_444_800
NOON = MIDNIGHT + 12 * HOUR
NOW = NOON + 1234.5
JUNK = Verdict(
    MailPath.JUNK,
    (
        Evidence("exchange", "X-A", "SFV:SPM", "spam", counts=True),
        Evidence("exchange", "X-A", "SCL:9", "spam", counts=True),
        Evidence("rspamd", "X-B", "no", "not spam", counts=False),
        Evidence("folder", None, "Junk", "the junk folder", counts=True),
    ),
)


def ended(database: Database, state: State, *times: float, verdict: Verdict | None = None) -> None:
    """Add a message that reached this state at each of these times; its key contains the time."""
    messages, tries = Messages(database), Tries(database)
    for at in times:
        (record,) = messages.add(
            [NewMessage(f"{state}-{at}", Place("INBOX", 1, 1), 1, 0.0, verdict or Verdict(MailPath.CLEAN))], 0.0
        )
        tries.record([Result(record.id, state, reason=f"for {state}")], at)


def some(spans: list[Span]) -> list[Span]:
    return [span for span in spans if span.handled or span.junk or span.failed]


def test_a_day_is_24_hours_with_this_one_the_oldest_first(database: Database) -> None:
    first = NOON - 23 * HOUR
    ended(database, State.HANDLED, first - 0.5, first, first + HOUR - 0.5, first + HOUR, NOON, NOW)
    ended(database, State.JUNK, first + HOUR, first + 1.5 * HOUR, NOW)
    ended(database, State.FAILED, NOON - 0.5)
    ended(database, State.PENDING, NOW)
    recent = recent_outcomes(database, NOW)
    assert [hour.at for hour in recent.hours] == [first + number * HOUR for number in range(24)]
    assert some(recent.hours) == [
        Span(first, handled=2, junk=0, failed=0),
        Span(first + HOUR, handled=1, junk=2, failed=0),
        Span(NOON - HOUR, handled=0, junk=0, failed=1),
        Span(NOON, handled=2, junk=1, failed=0),
    ]


def test_a_month_is_30_days_with_this_one_the_oldest_first(database: Database) -> None:
    first = MIDNIGHT - 29 * DAY
    ended(database, State.HANDLED, first - 0.5, first, first + DAY - 0.5, MIDNIGHT, NOW)
    ended(database, State.FAILED, MIDNIGHT - 0.5)
    recent = recent_outcomes(database, NOW)
    assert [day.at for day in recent.days] == [first + number * DAY for number in range(30)]
    assert some(recent.days) == [
        Span(first, handled=2, junk=0, failed=0),
        Span(MIDNIGHT - DAY, handled=0, junk=0, failed=1),
        Span(MIDNIGHT, handled=2, junk=0, failed=0),
    ]
    assert recent.since == first - 0.5


def test_nothing_was_counted_yet(database: Database) -> None:
    recent = recent_outcomes(database, NOW)
    assert (len(recent.hours), len(recent.days), recent.since) == (24, 30, None)
    assert some(recent.hours + recent.days) == []


def test_what_was_counted_outlives_the_rows(database: Database) -> None:
    ended(database, State.HANDLED, NOW - 2 * DAY)
    with database.write() as connection:
        connection.execute(delete(message))
    assert some(recent_outcomes(database, NOW).days) == [Span(MIDNIGHT - 2 * DAY, handled=1, junk=0, failed=0)]


def test_a_try_that_is_not_recorded_is_not_counted(database: Database) -> None:
    ended(database, State.HANDLED, NOW)

    class Taken(Exception):
        pass

    def taken_over(_connection: object) -> None:
        raise Taken

    tries = Tries(database)
    tries.fenced_by(taken_over)
    with pytest.raises(Taken):
        tries.record([Result(1, State.FAILED)], NOW)
    assert some(recent_outcomes(database, NOW).days) == [Span(MIDNIGHT, handled=1, junk=0, failed=0)]


def test_an_earlier_programs_journal_is_counted_from_its_rows_once(database: Database) -> None:
    ended(database, State.HANDLED, NOW - 40 * DAY, NOW - 3 * DAY, NOW - HOUR)
    ended(database, State.JUNK, NOW)
    with database.write() as connection:
        connection.execute(delete(fact).where(fact.c.name == "recent.outcomes"))
        rebuilt = dict(connection.execute(select(message).limit(1)).one()._mapping)
        rebuilt |= {"id": 99, "key": "rebuilt", "outcome_at": NOW, "reason": "rebuilt"}
        connection.execute(insert(message).values(rebuilt))
    expected = [
        Span(MIDNIGHT - 3 * DAY, handled=1, junk=0, failed=0),
        Span(MIDNIGHT, handled=1, junk=1, failed=0),
    ]
    assert some(recent_outcomes(database, NOW).days) == expected, "a rebuild says nothing of when mail was handled"
    ended(database, State.HANDLED, NOW + 1)
    with database.write() as connection:
        connection.execute(delete(message))
    after = recent_outcomes(database, NOW + 1)
    assert some(after.days) == [expected[0], Span(MIDNIGHT, handled=2, junk=1, failed=0)]
    assert after.since == NOON - 3 * DAY


def test_what_is_stored_stays_small(database: Database) -> None:
    for day in range(90):
        ended(database, State.HANDLED, *(MIDNIGHT + day * DAY + hour * HOUR for hour in (1, 9, 23)))
    with database.read() as connection:
        stored = connection.execute(select(fact.c.value).where(fact.c.name == "recent.outcomes")).scalar_one()
    found = orjson.loads(stored)
    assert (len(found["hours"]), len(found["days"])) == (48, DAYS + 1)
    assert found["since"] == MIDNIGHT + HOUR


def test_the_newest_are_those_that_came_to_their_state_last(database: Database) -> None:
    ended(database, State.JUNK, 5.0, 9.0, 7.0, 8.0)
    ended(database, State.FAILED, 10.0)
    assert newest(database, State.JUNK, 3) == [Newest(f"junk-{at}", at, "for junk") for at in (9.0, 8.0, 7.0)]
    assert newest(database, State.HANDLED, 3) == []
    ended(database, State.PENDING, 5.0)
    assert newest(database, State.PENDING, 3) == [], "those came to nothing yet"


def test_of_the_newest_it_is_known_whose_evidence_counts(database: Database) -> None:
    ended(database, State.JUNK, 5.0, verdict=JUNK)
    assert newest(database, State.JUNK, 3) == [Newest("junk-5.0", 5.0, "for junk", ("exchange", "folder"))]


def test_the_newest_are_found_by_an_index_and_without_sorting_all(on_file: Database) -> None:
    latest = "SELECT id FROM message WHERE state = 'junk' ORDER BY next_at DESC, id DESC LIMIT 1000"
    with on_file.read() as connection:
        plan = [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {latest}"))]
    assert plan == ["SEARCH message USING COVERING INDEX message_state (state=?)"]


def test_the_messages_that_have_waited_longest_come_first(database: Database) -> None:
    messages = Messages(database)
    for at in (30.0, 10.0, 20.0):
        messages.add([NewMessage(f"at-{at}", Place("INBOX", 1, 1), 1, 0.0, Verdict(MailPath.CLEAN))], at)
    ended(database, State.HANDLED, 1.0)
    assert oldest_pending(database, 2) == ["at-10.0", "at-20.0"]
