"""What `status` finds of the last poll."""

from typing import Any, cast

import pytest

from tests.fakes.checks import Logged
from worker.journal.database import Database, JournalUnavailable
from worker.journal.facts import Facts, LastPoll
from worker.journal.schema import metadata
from worker.loop.journal_outage import JournalOutage
from worker.loop.poll_notes import PollNotes


def test_a_poll_that_failed_leaves_when_one_went_well() -> None:
    database, now = Database("sqlite://"), [1.0]
    with database.write() as connection:
        metadata.create_all(connection)
    facts = Facts(database)
    notes = PollNotes(facts, lambda: now[0], JournalOutage(lambda: now[0]))
    notes.failed("halted")
    assert facts.last_poll() == LastPoll(1.0, ok=False, new=0, good_at=None, trouble="halted")
    now[0] = 2.0
    notes.went_well(new=3)
    assert facts.last_poll() == LastPoll(2.0, ok=True, new=3, good_at=2.0)
    now[0] = 3.0
    notes.failed("fault", new=1)
    assert facts.last_poll() == LastPoll(3.0, ok=False, new=1, good_at=2.0, trouble="fault")


def test_only_a_good_poll_that_cannot_be_noted_is_raised(logged: Logged) -> None:
    class Away:
        def last_poll(self) -> Any:
            raise JournalUnavailable("away")

        def polled(self, poll: LastPoll) -> None:
            raise JournalUnavailable("away")

    notes = PollNotes(cast("Any", Away()), lambda: 0.0, JournalOutage(lambda: 0.0))
    notes.failed("fault")
    assert len(logged("journal.unavailable")) == 1
    with pytest.raises(JournalUnavailable):
        notes.went_well(new=0)
