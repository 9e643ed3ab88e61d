"""The account of messages where things meet: what people do, what servers do, and when the worker writes it down."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import event

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import World
from worker.logs import configure_logging
from worker.mailbox.errors import CommandRefused
from worker.mailbox.folders import Layout
from worker.message.message import Message
from worker.message.outcome import State
from worker.reconcile.rebuild import Rebuild

DAY = 86_400.0
KEEP = 400 * DAY


@pytest.fixture(autouse=True)
def quiet() -> None:
    configure_logging(level="error", format="json", stream=io.StringIO(), hooks=False)


@pytest.fixture(params=[("MOVE", "UIDPLUS", "IDLE"), ("UIDPLUS", "IDLE")], ids=["move", "uidplus"])
def world(request: pytest.FixtureRequest) -> World:
    return World(Server(capabilities=request.param))


def handed(world: World, handler: str = "archive") -> list[str]:
    return [call.key for call in world.calls if call.handler == handler]


def assert_balanced(world: World) -> None:
    balance = world.balance()
    assert (balance.unaccounted, balance.missing) == (0, 0)
    assert balance.seen == len(world.rows())


@pytest.mark.parametrize("more_comes", [False, True])
def test_what_is_due_and_taken_away_is_missed_once_a_poll(world: World, more_comes: bool) -> None:
    away = world.server.deliver(mail("twice"))
    world.tick()
    world.server.move(away, ELSEWHERE)
    if more_comes:
        world.server.deliver(mail())
    world.tick(60)
    key = world.rows()[0].key
    assert world.row(key).state is State.PENDING
    assert world.told.keys_gone == []
    world.tick(60)
    assert world.row(key).state is State.GONE
    assert world.told.keys_gone == [key]


def test_only_polls_in_a_row_that_miss_a_message_make_it_gone(world: World) -> None:
    """The server doesn't show it now and then, at the number that it has."""
    world.server.deliver(mail("twice"))
    world.tick()
    inbox = world.server.folders[INBOX]
    for _ in range(3):
        one = inbox.take(1)
        world.tick(1)
        assert [(row.state, row.missed) for row in world.rows()] == [(State.PENDING, 1)]
        inbox.put(one, 1)
        world.tick(1)
        assert [(row.state, row.missed) for row in world.rows()] == [(State.PENDING, 0)]
    world.drain()
    assert world.states() == {State.HANDLED: 1}


def test_a_dead_letter_that_is_retried_and_not_found_is_missed_once_a_poll(world: World) -> None:
    away = world.server.deliver(mail("reject"))
    world.tick()
    (row,) = world.rows()
    world.server.move(away, ELSEWHERE)
    world.retry(row.key)
    world.server.deliver(mail())
    world.server.deliver(mail(), JUNK)
    world.tick()
    assert world.row(row.key).state is State.PENDING
    world.tick()
    assert world.row(row.key).state is State.GONE


def test_pending_mail_that_is_older_than_a_since_set_later_is_not_said_to_be_taken_away(world: World) -> None:
    world.server.deliver(mail("retry"))
    world.tick()
    world.since = datetime(2100, 1, 1, tzinfo=UTC)
    world.start()
    world.drain()
    assert world.states() == {State.HANDLED: 1}


def test_done_mail_that_is_older_than_a_since_set_later_is_moved(world: World) -> None:
    world.server.deliver(mail("ok"))
    world.server.deliver(mail("ok"))
    world.server.refusing = {("move", INBOX), ("copy", INBOX)}
    world.tick()
    assert world.states() == {State.HANDLED: 2}
    assert len(world.server.folders[INBOX].mails) == 2
    world.server.refusing = set()
    world.since = datetime(2100, 1, 1, tzinfo=UTC)
    world.start()
    world.drain()
    assert len(world.server.folders[INBOX].mails) == 0


@pytest.mark.parametrize("how", ["no-copyuid", "renumbered"])
def test_what_was_begun_and_is_older_than_since_is_found_again(world: World, how: str) -> None:
    world.server.copyuid = how != "no-copyuid"
    world.server.deliver(mail("twice"))
    world.server.deliver(mail("older, and never begun"))
    world.bounds = replace(world.bounds, batch_count=1)
    world.start()
    world.tick()
    (row,) = [row for row in world.rows() if row.state is State.PENDING]
    world.since = datetime(2100, 1, 1, tzinfo=UTC)
    world.start()
    world.server.renumber(INBOX)
    world.drain()
    assert world.row(row.key).state is State.HANDLED
    assert world.states()[State.GONE] == 0


def test_a_retried_dead_letter_that_is_older_than_since_is_found_again(world: World) -> None:
    world.server.copyuid = False
    world.server.deliver(mail("reject"))
    world.drain()
    assert world.states() == {State.FAILED: 1}
    world.since = datetime(2100, 1, 1, tzinfo=UTC)
    world.start()
    for _ in range(3):
        world.retry(world.rows()[0].key)
        world.drain()
        assert world.states() == {State.FAILED: 1}
        assert len(world.server.folders[FAILED].mails) == 1
    assert handed(world, "notify") == [world.rows()[0].key] * 4


def test_nothing_is_kept_of_what_was_in_hand_when_the_lease_was_lost(world: World) -> None:
    """Nor is it settled from where it lay then."""
    world.hung = {"ok"}
    one = world.server.deliver(mail())
    world.tick()
    world.server.move(one, JUNK)
    world.tick()
    world.lease.held = False
    world.tick()
    world.hung = set()
    world.server.move(one, INBOX)
    world.lease.held = True
    world.tick()
    world.tick()
    assert world.states() == {State.HANDLED: 1}
    assert len(world.server.folders[PROCESSED].mails) == 1


def test_a_look_writes_nothing_down(world: World) -> None:
    """A dry run looks, too, beside a worker that is at work."""
    world.handled = "keep"
    world.start()
    world.server.deliver(mail())
    world.server.deliver(mail())
    world.drain()
    before = world.rows(), world.places.last_looks()
    validity = world.server.folders[INBOX].uidvalidity
    world.server.replace(INBOX)
    world.server.folders[INBOX].uidvalidity = validity
    world.server.deliver(mail())
    session: Any = world.server.session()
    (look, _) = world.journal_parts().poll(Layout((INBOX,), JUNK), None).look(session)
    assert len(look.displaced) == 2
    assert (world.rows(), world.places.last_looks()) == before


def test_what_a_filter_moved_after_its_outcome_came_is_known_to_lie_there(world: World) -> None:
    world.hung = {"ok"}
    one = world.server.deliver(mail("ok"))
    world.tick()
    world.hands.hold = True
    world.hung = set()
    world.hands.end_hang()
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
    world.hung = set()
    world.hands.end_hang()
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
    world.hung = set()
    world.hands.end_hang()
    world.server.move(one, INBOX)
    handed_over: list[tuple[State, bool]] = []

    def note(_message: Message) -> bool:
        handed_over.extend((row.state, row.settled) for row in world.rows())
        return False

    world.poison = note
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
        world.hung = set()
        world.hands.end_hang()
        world.tick()
    assert world.states() == {State.HANDLED: 9}
    assert len(world.server.folders[PROCESSED].mails) == 9


def test_a_poll_that_finds_nothing_new_writes_nothing_of_the_mailbox(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    written: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not statement.startswith(("BEGIN", "SELECT", "PRAGMA")):
            written.append(statement)

    event.listen(world.database._engine, "before_cursor_execute", note)
    world.tick()
    assert [statement for statement in written if " fact" not in statement] == []


def test_a_poll_that_opened_a_message_says_so(world: World) -> None:
    world.server.deliver(mail("reject"))
    world.tick()
    world.retry(world.rows()[0].key)
    session: Any = world.server.session()
    world.pipeline.look_anew(connected=True)
    assert world.pipeline.poll(session).opened == 1


def test_waiting_for_content_spends_no_try(world: World) -> None:
    one = world.server.deliver(mail(), bodiless=True)
    for _ in range(9):
        world.tick(301)
    one.bodiless = False
    fail = [True]

    def flush() -> None:
        if fail:
            fail.clear()
            raise OSError("full")

    world.flush = flush
    world.drain()
    assert world.states() == {State.HANDLED: 1}


def test_a_dead_letter_that_is_retried_has_all_its_tries_again(world: World) -> None:
    world.server.deliver(mail())
    fails = [True] * 99

    def flush() -> None:
        if fails and fails.pop():
            raise OSError("full")

    world.flush = flush
    world.drain()
    assert world.states() == {State.FAILED: 1}
    fails[:] = [True]
    world.retry(world.rows()[0].key)
    world.tick()
    assert world.states() == {State.PENDING: 1}
    world.drain()
    assert world.states() == {State.HANDLED: 1}


def test_a_handler_that_finished_is_not_called_again_after_the_message_was_away(world: World) -> None:
    world = World(world.server, pause_after=1)
    # notify is paused by one that fails, and the next has archive done and waits
    world.server.deliver(mail("always"))
    world.tick()
    one = world.server.deliver(mail("ok"))
    world.tick(1)
    row = world.rows()[1]
    assert (row.state, row.reason) == (State.PENDING, "paused:notify")
    world.server.move(one, ELSEWHERE)
    for _ in range(3):
        world.tick(40)
    assert world.row(row.key).state is State.GONE
    world.server.move(one, INBOX)
    for _ in range(10):
        world.tick(400)
    assert world.row(row.key).state is State.HANDLED
    assert handed(world).count(row.key) == 1


def test_what_is_taken_up_again_during_a_walk_is_not_compacted(world: World) -> None:
    one = world.server.deliver(mail())
    world.drain()
    world.server.move(one, ELSEWHERE)
    world.clock.now += KEEP + DAY
    assert world.compact(keep=KEEP) == 0
    selects = [0]
    real = world.server.after

    def after(name: str) -> None:
        real(name)
        selects[0] += name == "select"
        if selects[0] == 4 and world.server.find(one)[0] == ELSEWHERE:  # type: ignore[index]
            world.server.after = real
            world.server.move(one, INBOX)
            world.tick()

    world.server.after = after
    world.compact(keep=KEEP)
    assert [row.state for row in world.rows()] == [State.HANDLED]


def test_a_folder_that_cannot_be_looked_into_holds_what_it_held(world: World) -> None:
    world.server.deliver(mail())
    world.drain()
    world.clock.now += KEEP + DAY
    world.server.refusing = {("select", JUNK)}  # then comes the folder for handled mail
    for _ in range(2):
        with pytest.raises(CommandRefused):
            world.compact(keep=KEEP)
    assert len(world.rows()) == 1


def rebuild(world: World) -> Any:
    return Rebuild(
        world.journal,
        world._walk(),
        handled=PROCESSED,
        failed=FAILED,
        junk=[JUNK],
        assume_handled_before=None,
        clock=world.clock,
    )


@pytest.mark.parametrize("how", ["no-copyuid", "renumbered"])
def test_a_rebuild_enters_nothing_that_the_journal_knows(world: World, how: str) -> None:
    world.server.copyuid = how != "no-copyuid"
    world.server.deliver(mail())
    world.server.deliver(mail("reject"))
    world.drain()
    if how == "renumbered":
        world.server.renumber(PROCESSED)
        world.server.renumber(FAILED)
    session: Any = world.server.session()
    rebuild(world)(session)
    assert world.states() == {State.HANDLED: 1, State.FAILED: 1}


@pytest.mark.parametrize("shown", ["stand-in", "nothing"])
def test_a_message_that_was_waited_for_and_comes_back_is_settled_again(world: World, shown: str) -> None:
    """What the server showed at first has another size, and a stand-in for it has another header."""
    real = mail()
    stand_in = (
        real.replace(b"From: lab@lab.nhs.uk", b"From: Microsoft Exchange Server <server@nhs.net>")
        .replace(b"Subject: ", b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 1")
        .replace(b"hello", b"The server couldn't retrieve the following message:")
    )
    quirks: dict[str, Any] = {} if shown == "stand-in" else {"bodiless": True, "size": 10}
    one = world.server.deliver(stand_in if shown == "stand-in" else real, **quirks)
    world.tick()
    (row,) = world.rows()
    assert row.waiting_since is not None
    one.raw, one.bodiless, one.size = real, False, None
    world.drain()
    assert world.states() == {State.HANDLED: 1}
    world.server.move(one, INBOX)
    world.drain()
    assert handed(world) == [row.key]
    assert world.states() == {State.HANDLED: 1}
    assert not world.server.folders[INBOX].mails


def test_a_stand_in_like_one_of_before_is_a_message_of_its_own(world: World) -> None:
    stand_in = mail().replace(
        b"Subject: ", b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 1"
    )
    stand_in = stand_in.replace(b"From: lab@lab.nhs.uk", b"From: Microsoft Exchange Server <server@nhs.net>")
    stand_in = stand_in.replace(b"hello", b"The server couldn't retrieve the following message:")
    for _ in range(2):
        mails = [world.server.deliver(stand_in) for _ in range(2)]
        world.tick()
        assert world.states()[State.PENDING] == 2
        for one in mails:
            one.raw = mail()
        world.drain()
    assert world.states() == {State.HANDLED: 4}
    assert len(set(handed(world))) == len(handed(world)) == 4
    assert_balanced(world)


def test_a_clock_that_was_ahead_for_a_while_keeps_nothing_waiting(world: World) -> None:
    world.server.deliver(mail("twice"))
    world.clock.now += 3650 * DAY
    world.tick()
    world.clock.now -= 3650 * DAY
    for _ in range(20):
        world.tick(4000)
    assert world.states() == {State.HANDLED: 1}


def test_gone_mail_is_compacted_after_two_walks_too(world: World) -> None:
    one = world.server.deliver(mail("always"))
    world.tick()
    world.server.delete(one)
    world.drain()
    assert world.states() == {State.GONE: 1}
    world.clock.now += KEEP + DAY
    assert world.compact(keep=KEEP) == 0
    assert world.compact(keep=KEEP) == 1


def test_what_is_recorded_before_a_mailbox_is_moved_is_settled_after_it(world: World) -> None:
    """The server is moved just then: other numbers, and sizes estimated anew."""
    one = world.server.deliver(mail(), size=100)
    world.server.refusing = {("move", INBOX), ("copy", INBOX)}
    world.tick()
    assert world.states() == {State.HANDLED: 1}
    world.server.refusing = set()
    world.server.renumber(INBOX)
    one.size = 130
    world.start()
    world.drain()
    assert len(set(handed(world))) == 1
    assert world.states() == {State.HANDLED: 1}
    assert not world.server.folders[INBOX].mails
