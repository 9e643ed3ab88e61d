"""Outcomes are written down first, with what holds at that moment, and then shown in the mailbox."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import Fault, World
from tests.unit.pipeline.junk_in_hand import comes_back, in_hand_as_junk
from worker.journal.database import JournalUnavailable
from worker.loop.drain import Drained
from worker.mailbox.errors import CommandRefused, ConnectionLost
from worker.message.message import Message
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.outbox import SETTLE_AT_ONCE


@pytest.mark.parametrize("there", [INBOX, JUNK])
def test_mail_moved_between_inbox_and_junk_while_in_hand(world: World, there: str) -> None:
    """What comes back from the wrong path does not decide, so that a false positive isn't lost."""
    world.hung.add("slow")
    world.start()
    here = JUNK if there == INBOX else INBOX
    moved = world.server.deliver(mail("slow"), here)
    world.tick()
    assert len(world.hands) == 1
    world.server.move(moved, there)
    world.tick()
    world.end_hang()
    world.drain()
    assert "archive" in [call.handler for call in world.finished]
    assert world.states() == {State.HANDLED: 1}
    assert_balanced(world)


def test_what_the_junk_path_comes_to_is_nothing_once_the_row_says_clean(world: World) -> None:
    """Whoever has changed the row, told or not: else it would be junk that no release can open."""
    in_hand_as_junk(world)
    (row,) = world.rows()
    world.journal.reopen(row.id, verdict=Verdict(MailPath.CLEAN), released_at=world.clock())
    comes_back(world)
    assert world.states() == {State.HANDLED: 1}


def test_what_comes_back_in_great_numbers_is_moved_before_the_rest_is_waited_for(world: World) -> None:
    world.hold = True
    world.hung.add("slow")
    world.start()
    moved: list[int] = []

    def look(wait: float) -> None:
        if wait > 0:
            moved.append(len(world.server.folders[PROCESSED].mails))

    world.hands.asked = look
    for _ in range(SETTLE_AT_ONCE):
        world.server.deliver(mail())
    world.server.deliver(mail("slow"))
    world.tick()
    assert moved == [0, SETTLE_AT_ONCE]


def test_outcomes_are_kept_while_the_journal_is_away(world: World) -> None:
    for _ in range(5):
        world.server.deliver(mail())
    for calls in range(40):
        world.faults.planned = Fault(calls, False, JournalUnavailable)
        world.tick()
    world.drain()
    assert world.states() == {State.HANDLED: 5}
    assert len(handed(world)) == 5
    assert_balanced(world, handled=5)


def test_what_handlers_could_not_bring_to_the_disk_is_not_done(world: World) -> None:
    world.server.deliver(mail())

    def full() -> None:
        raise OSError("no space")

    world.flush = full
    world.tick()
    assert world.states() == {State.PENDING: 1}
    assert not world.server.folders[PROCESSED].mails
    world.flush = lambda: None
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    assert len(handed(world)) == 2


def test_what_a_filter_moved_after_its_outcome_came_is_known_to_lie_there(world: World) -> None:
    world.hung = {"ok"}
    one = world.server.deliver(mail("ok"))
    world.tick()
    world.hands.hold = True
    world.end_hang()
    world.server.move(one, JUNK)
    world.tick()
    (row,) = world.rows()
    assert row.state is State.HANDLED
    assert row.place.folder == JUNK
    assert row.place.uid in world.server.folders[JUNK].mails
    assert row.settled


@pytest.mark.parametrize("capabilities", [("MOVE", "UIDPLUS", "IDLE"), ("UIDPLUS", "IDLE")])
def test_what_is_done_as_its_folder_is_renumbered_is_not_settled_before_it_is_moved(capabilities: Any) -> None:
    world = World(Server(capabilities=capabilities, folders=["Results"]))
    world.watched_folders = (INBOX, "Results")
    world.start()
    world.hung = {"ok"}
    world.server.deliver(mail("ok"), "Results")
    world.tick()
    world.hands.hold = True
    world.end_hang()
    world.server.renumber("Results")
    settled: list[bool] = []
    world.server.before = lambda name: settled.extend(row.settled for row in world.rows() if name in {"move", "copy"})
    world.tick()
    assert settled == [False]
    assert [(row.state, row.settled) for row in world.rows()] == [(State.HANDLED, True)]
    assert len(world.server.folders[PROCESSED].mails) == 1


@pytest.mark.parametrize("move_releases", [False, True])
def test_junk_that_a_person_takes_out_before_we_moved_it_is_open_and_not_settled(move_releases: bool) -> None:
    world = World(Server(folders=["Suspicious"]), junk="Suspicious", move_releases=move_releases)
    world.hung = {"ok"}
    one = world.server.deliver(mail("ok"), JUNK)
    world.tick()
    world.hands.hold = True
    world.end_hang()
    world.server.move(one, INBOX)
    handed_over: list[tuple[State, bool]] = []

    def note(_message: Message) -> None:
        handed_over.extend((row.state, row.settled) for row in world.rows())

    world.begun = note
    world.tick()
    assert handed_over == [(State.PENDING, False)]


@pytest.mark.parametrize("comes", ["between polls", "at once", "late"])
def test_what_came_back_is_moved_whenever_there_is_enough_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, comes: str
) -> None:
    monkeypatch.setattr("worker.pipeline.outbox.SETTLE_AT_ONCE", 1)
    world.hung = {"ok"} if comes == "between polls" else set()
    world.bounds = replace(world.bounds, batch_bytes=500)
    world.start()
    world.hands.hold = comes == "late"
    for _ in range(9):
        world.server.deliver(mail())
    world.tick()
    if comes == "between polls":
        world.end_hang()
        world.tick()
    assert world.states() == {State.HANDLED: 9}
    assert len(world.server.folders[PROCESSED].mails) == 9


def test_an_end_without_anything_to_settle_asks_the_server_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a dead line the answer would never come."""
    world = World()
    world.server.deliver(mail())
    world.tick()
    session: Any = world.connector.current()
    assert session.idling
    monkeypatch.setattr(session, "idle_done", lambda: pytest.fail("asked the server"))
    world.lease_hold.end(1.0)
    assert world.states() == {State.HANDLED: 1}


def test_an_end_settles_on_a_connection_that_idles() -> None:
    world = World()
    world.hold = True
    world.start()
    world.server.deliver(mail("slow"))
    world.hung.add("slow")
    world.tick()
    session: Any = world.connector.current()
    assert session.idling
    world.end_hang()
    world.lease_hold.end(1.0)
    assert len(world.server.all_mail(PROCESSED)) == 1


def test_an_end_without_grace_still_records_what_has_come_back() -> None:
    world = World()
    world.hung.add("slow")
    world.server.deliver(mail("slow"))
    world.tick()
    world.hung.clear()
    world.end_hang()
    world.lease_hold.end(0.0)
    assert world.states() == {State.HANDLED: 1}


def test_what_an_error_broke_off_is_moved_once() -> None:
    """The end of `once` settles what is left, on the same connection."""
    world = World(Server(folders=["Results"]))
    world.watched_folders = (INBOX, "Results")
    world.start()
    for folder in world.watched_folders:
        world.server.deliver(mail(), folder)
    commands: list[str] = []

    def refuse(name: str) -> None:
        commands.append(name)
        if commands[-2:] == ["move", "select"]:
            raise CommandRefused("no")

    world.server.before = refuse
    with pytest.raises(CommandRefused):
        world.mailbox_drain.run(Drained())
    assert commands.count("move") == 1
    world.server.before = commands.append
    world.lease_hold.end(0.0)
    first = next(row for row in world.rows() if row.place.folder == PROCESSED)
    assert first.place.uid in world.server.folders[PROCESSED].mails
    world.start()
    world.drain()
    assert commands.count("move") == 2
    assert_balanced(world, handled=2)


def test_outcomes_are_recorded_after_the_connection_was_lost_with_a_move_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also that a message is one that somebody has moved back, as its content shows."""
    monkeypatch.setattr("worker.pipeline.header_suspects.HEADS_AT_ONCE", 1)
    monkeypatch.setattr("worker.pipeline.outbox.SETTLE_AT_ONCE", 1)
    world = World()
    back = world.server.deliver(mail())
    world.drain()
    world.server.deliver(mail())
    world.server.move(back, INBOX)
    world.server.deliver(mail())
    fetched: list[bool] = []

    def lose(name: str) -> None:
        if name == "bodies":
            fetched.append(any(row.is_moving for row in world.rows()))
            world.hands.hold = len(fetched) == 2  # the one that was moved back, which is compared as this is lost
            if len(fetched) == 3:
                raise ConnectionLost

    world.server.before = lose
    world.tick()
    assert fetched == [False, True, True]
    assert world.cycle.trouble == "unreachable"
    world.drain()
    assert world.states() == {State.HANDLED: 3}
    assert len(handed(world)) == 3
    assert_balanced(world, handled=3)
