"""What the status page shows of the messages: the last day by the hour, and the newest few of a state."""

from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.recent_outcomes import HOUR, Hour, Newest, last_day, newest
from worker.journal.records import NewMessage, Place, Result
from worker.journal.tries import Tries
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict

NOON = 1_780_488_000
NOW = NOON + 1234.5


def ended(database: Database, state: State, *times: float) -> None:
    """Add a message that reached this state at each of these times; its key contains the time."""
    messages, tries = Messages(database), Tries(database)
    for at in times:
        (record,) = messages.add(
            [NewMessage(f"{state}-{at}", Place("INBOX", 1, 1), 1, 0.0, Verdict(MailPath.CLEAN))], 0.0
        )
        tries.record([Result(record.id, state, reason=f"for {state}")], at)


def test_a_day_is_24_hours_with_this_one_the_oldest_first(database: Database) -> None:
    first = NOON - 23 * HOUR
    ended(database, State.HANDLED, first - 0.5, first, first + HOUR - 0.5, first + HOUR, NOON, NOW)
    ended(database, State.JUNK, first + HOUR, first + 1.5 * HOUR, NOW)
    ended(database, State.FAILED, NOON - 0.5)
    ended(database, State.PENDING, NOW)
    hours = last_day(database, NOW)
    assert [hour.at for hour in hours] == [first + number * HOUR for number in range(24)]
    assert [hour for hour in hours if hour.handled or hour.junk or hour.failed] == [
        Hour(first, handled=2, junk=0, failed=0),
        Hour(first + HOUR, handled=1, junk=2, failed=0),
        Hour(NOON - HOUR, handled=0, junk=0, failed=1),
        Hour(NOON, handled=2, junk=1, failed=0),
    ]


def test_the_newest_are_those_that_came_to_their_state_last(database: Database) -> None:
    ended(database, State.JUNK, 5.0, 9.0, 7.0, 8.0)
    ended(database, State.FAILED, 10.0)
    assert newest(database, State.JUNK, 3) == [Newest(f"junk-{at}", at, "for junk") for at in (9.0, 8.0, 7.0)]
    assert newest(database, State.HANDLED, 3) == []
    ended(database, State.PENDING, 5.0)
    assert newest(database, State.PENDING, 3) == [], "those came to nothing yet"
