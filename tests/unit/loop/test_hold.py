"""The lease and the connection: what is begun, given up and ended with them."""

from dataclasses import dataclass

import pytest

from tests.fakes.checks import Logged
from tests.unit.loop.world import Parts
from worker.journal.database import JournalUnavailable
from worker.journal.lease import LeaseLost
from worker.mailbox.errors import ConnectionLost
from worker.pipeline.report import Report


@dataclass
class Line:
    """A session."""

    idling: bool = False
    ended: bool = False

    def idle_done(self) -> None:
        self.idling = False

    def abort(self) -> None:
        self.ended = True


def test_the_work_begins_once_with_the_lease_and_is_given_up_when_that_is_lost() -> None:
    parts = Parts()
    assert parts.hold.take_lease()
    assert parts.hold.take_lease()
    assert parts.done == ["begin"]
    parts.held = False
    assert not parts.hold.take_lease()
    assert not parts.hold.take_lease()
    assert parts.done == ["begin", "abandon", "close"]
    assert parts.told.leases == [True, False]


def test_whoever_never_had_the_lease_has_lost_nothing(logged: Logged) -> None:
    parts = Parts(held=False)
    for _ in range(2):
        assert not parts.hold.take_lease()
    assert (parts.done, parts.told.leases) == ([], [])
    assert len(logged("lease.held_elsewhere")) == 1


def test_a_lease_that_was_anothers_for_a_while_begins_the_work_anew() -> None:
    parts = Parts()
    parts.hold.take_lease()
    parts.term += 1
    assert parts.hold.take_lease()
    assert parts.done == ["begin", "abandon", "close", "begin"]
    assert parts.told.leases == [True]


def test_work_that_could_not_begin_begins_at_the_next_run() -> None:
    parts = Parts(fails={"begin": JournalUnavailable("disk full")})
    with pytest.raises(JournalUnavailable):
        parts.hold.take_lease()
    assert parts.told.leases == []
    assert parts.hold.take_lease()
    assert (parts.done, parts.told.leases) == (["begin", "begin"], [True])


def test_a_heartbeat_renews_the_lease_and_keeps_watch_and_bears_a_journal_that_is_away(
    logged: Logged,
) -> None:
    parts = Parts()
    parts.hold.heartbeat()
    assert parts.done == ["renew", "keep_watch"]
    parts.fails["renew"] = JournalUnavailable("away")
    parts.hold.heartbeat()
    assert len(logged("journal.unavailable")) == 1


@pytest.mark.parametrize(
    ("problem", "event"),
    [(JournalUnavailable("away"), "journal.unavailable"), (LeaseLost("gone"), "lease.held_elsewhere")],
)
def test_outcomes_that_cannot_be_written_stop_nothing(problem: Exception, event: str, logged: Logged) -> None:
    parts = Parts(fails={"record_finished": problem})
    parts.hold.let_go(ConnectionLost("reset"))
    assert parts.done == ["close", "record_finished"]
    assert len(logged(event)) == 1


@pytest.mark.parametrize(
    ("line", "paused", "ends"),
    [
        (None, False, "stop"),
        (Line(), False, "stop and settle"),
        (Line(idling=True), False, "stop and settle"),
        (Line(), True, "stop"),
    ],
)
def test_the_end_settles_on_the_connection_that_there_is(line: Line | None, paused: bool, ends: str) -> None:
    parts = Parts(open=line, is_paused=paused)
    parts.hold.take_lease()
    parts.hold.stop()
    assert parts.hold.end(1.0) == Report(new=1)
    assert parts.done == ["begin", "interrupt", ends, "close", "release"]
    assert not parts.go_ahead.is_stopping()


def test_an_end_that_could_not_settle_still_gives_the_lease_back(logged: Logged) -> None:
    parts = Parts(fails={"stop": ConnectionLost("reset")})
    parts.hold.take_lease()
    assert parts.hold.end(1.0) == Report()
    assert parts.done == ["begin", "stop", "close", "release"]
    assert len(logged("worker.end_unsettled")) == 1


def test_without_the_lease_there_is_nothing_to_end() -> None:
    parts = Parts()
    assert parts.hold.end(1.0) == Report()
    assert parts.done == ["close", "release"]


def test_an_abort_ends_the_connection_that_there_is() -> None:
    Parts().hold.abort()
    line = Line()
    Parts(open=line).hold.abort()
    assert line.ended
