"""When the next try is, and when there is none: content waited for, failures, and waits that handlers ask for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.pipeline.recording import Backoff, Room
from worker.handling.in_hand import Finished
from worker.journal.records import Record, Result
from worker.mailbox.folders import Layout
from worker.message.outcome import Outcome, State
from worker.pipeline.record import NOT_READY_LIMIT, Results, Targets

NOW = 10_000.0
LIMIT = NOT_READY_LIMIT.total_seconds()
NOT_SHOWN = Outcome(State.PENDING, reason="not-ready", after=timedelta(minutes=5))
FAILED = Outcome(State.PENDING, reason="archive:ValueError", failed_handler="archive", route="all")


class Desk:
    """Results with a backoff that notes what it is asked."""

    def __init__(self, room: Room) -> None:
        self.backoff = Backoff()
        self.results = Results(
            targets=Targets("Processed", "Failed", "auto"),
            layout=Layout(("INBOX",), "Junk Email"),
            backoff=self.backoff,
        )
        (self.record,) = room.add(1)

    def of(self, outcome: Outcome, handlers: dict[str, tuple[bool, int]] | None = None, **record: Any) -> Result:
        row: Record = replace(self.record, **record)
        return self.results.of(Finished(row, outcome), handlers or {}, NOW)


@pytest.fixture
def desk(room: Room) -> Desk:
    """Results with a backoff that notes what it is asked."""
    return Desk(room)


@pytest.mark.parametrize(
    ("since", "goes_on"),
    [
        (None, True),
        (NOW, True),
        (NOW - LIMIT + 1, True),
        (NOW - LIMIT, False),
        (NOW - 2 * LIMIT, False),
        (NOW + 9 * LIMIT, True),  # the clock was set back
    ],
)
def test_content_that_is_not_shown_is_waited_for_no_longer_than_the_limit(
    desk: Desk, since: float | None, goes_on: bool
) -> None:
    """A wait is no try, and asks no route for its backoff."""
    result = desk.of(NOT_SHOWN, waiting_since=since)
    assert result.state is (State.PENDING if goes_on else State.FAILED)
    assert result.next_at == (NOW + 300.0 if goes_on else None)
    assert (result.waiting, result.untried) == (goes_on, True)
    assert result.reason == "not-ready"
    assert result.settle_to == (None if goes_on else "Failed")
    assert desk.backoff.asked == []


@pytest.mark.parametrize(
    "outcome",
    [
        FAILED,
        replace(FAILED, after=timedelta(minutes=5)),
        Outcome(State.PENDING, reason="route:ValueError"),
        Outcome(State.PENDING, reason="paused:archive", after=timedelta(minutes=5), held=True),
        Outcome(State.HANDLED, ("archive",)),
        Outcome(State.FAILED, reason="archive:Reject"),
    ],
)
def test_nothing_else_counts_as_waiting_for_content(desk: Desk, outcome: Outcome) -> None:
    result = desk.of(outcome)
    assert not result.waiting
    assert result.untried is outcome.held


@pytest.mark.parametrize(
    ("handlers", "failures"),
    [
        ({}, 1),
        ({"archive": (False, 3)}, 4),
        ({"notify": (False, 3)}, 1),
        ({"": (False, 3)}, 1),
    ],
)
def test_a_failure_waits_by_how_often_its_handler_failed(
    desk: Desk, handlers: dict[str, tuple[bool, int]], failures: int
) -> None:
    result = desk.of(FAILED, handlers, tries=9)
    assert desk.backoff.asked == [("all", failures)]
    assert (result.state, result.next_at) == (State.PENDING, NOW + 60.0 * failures)


def test_after_its_last_try_a_message_is_a_dead_letter(desk: Desk) -> None:
    result = desk.of(FAILED, {"archive": (False, 5)})
    assert (result.state, result.next_at, result.reason) == (State.FAILED, None, "archive:ValueError")
    assert (result.settle_to, result.failed_handler) == ("Failed", "archive")


@pytest.mark.parametrize(("asked", "waits"), [(30, 60.0), (90, 90.0), (None, 60.0)])
def test_the_wait_that_a_handler_asks_for_is_the_shortest(desk: Desk, asked: int | None, waits: float) -> None:
    after = None if asked is None else timedelta(seconds=asked)
    assert desk.of(replace(FAILED, after=after)).next_at == NOW + waits


@pytest.mark.parametrize("state", [State.HANDLED, State.FAILED, State.JUNK])
def test_what_is_done_has_no_next_try(desk: Desk, state: State) -> None:
    result = desk.of(Outcome(state, ("archive",), "why"))
    assert (result.state, result.next_at, result.reason, result.done) == (state, None, "why", ("archive",))
    assert desk.backoff.asked == []


@pytest.mark.parametrize("state", [State.PENDING, State.GONE])
def test_what_is_not_done_stays_where_it_lies_whatever_the_settings_say(state: State) -> None:
    assert Targets("auto", "auto", "auto").of(state, "Junk Email") is None
