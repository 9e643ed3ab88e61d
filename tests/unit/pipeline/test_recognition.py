"""Mail with the headers of a message that was handed over before, and other content, is another message."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from tests.fakes.checks import Logged, assert_balanced, fields, handed
from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import Fault, Killed, World
from worker.journal.database import JournalUnavailable
from worker.journal.schema import message
from worker.mailbox.errors import ConnectionLost
from worker.message.outcome import State


def copy(body: bytes = b"other\r\n", kind: str = "ok", *, junk: bool = False) -> bytes:
    """Mail that has the same headers each time."""
    return mail(kind, serial=70_001, body=body, junk=junk)


def contents(world: World, handler: str = "archive") -> list[bytes]:
    """What the handler was given, in order."""
    return [call.raw.partition(b"\r\n\r\n")[2] for call in world.calls if call.handler == handler]


@pytest.mark.parametrize("copyuid", [True, False])
@pytest.mark.parametrize("away", [ELSEWHERE, None])
def test_a_copy_with_other_content_is_handled_though_the_first_was_moved_away(
    world: World, logged: Logged, copyuid: bool, away: str | None
) -> None:
    world.server.copyuid = copyuid
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    world.server.move(first, away) if away else world.server.delete(first)
    world.server.deliver(copy(b"other\r\n"))
    world.drain()
    assert contents(world) == [b"first\r\n", b"other\r\n"]
    assert handed(world)[1] == f"{handed(world)[0]}-2"
    assert world.states() == {State.HANDLED: 2}
    assert_balanced(world, handled=2, missing=1)
    assert [line["folder"] for line in fields(logged, "message.other_content")] == [INBOX]


@pytest.mark.parametrize("copyuid", [True, False])
def test_the_message_itself_is_settled_again_and_not_handled_again(world: World, logged: Logged, copyuid: bool) -> None:
    world.server.copyuid = copyuid
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    world.server.move(first, INBOX)
    first.size = 12_345  # the server estimates the size anew
    world.drain()
    assert contents(world) == [b"first\r\n"]
    assert world.server.folder_of(first) == PROCESSED
    assert world.states() == {State.HANDLED: 1}
    assert_balanced(world, handled=1, missing=0)
    assert [line["folder"] for line in fields(logged, "message.moved_back")] == [INBOX]
    assert not fields(logged, "message.other_content")


def test_it_and_a_copy_come_back_together(world: World) -> None:
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    world.server.deliver(copy(b"other\r\n"))
    world.server.move(first, INBOX)
    world.drain()
    assert contents(world) == [b"first\r\n", b"other\r\n"]
    assert world.states() == {State.HANDLED: 2}
    assert_balanced(world, handled=2, missing=0)


def test_two_with_its_very_content_at_once_are_itself_and_a_message_of_its_own(world: World) -> None:
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    world.server.copy(first, INBOX)
    world.server.move(first, INBOX)
    world.drain()
    assert contents(world) == [b"first\r\n"] * 2
    assert len(set(handed(world))) == 2
    assert world.states() == {State.HANDLED: 2}
    assert_balanced(world, handled=2, missing=0)


def test_a_thousand_copies_with_other_content_are_a_thousand_messages(world: World) -> None:
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    world.server.move(first, ELSEWHERE)
    for number in range(1000):
        world.server.deliver(copy(b"%5d\r\n" % number))
    world.bounds = replace(world.bounds, batch_bytes=20_000, batch_count=50)
    world.start()
    world.tick()
    world.server.move(first, INBOX)
    world.drain()
    assert contents(world) == [b"first\r\n", *[b"%5d\r\n" % number for number in range(1000)]]
    assert world.hands.most_bytes <= 2 * world.bounds.batch_bytes
    assert_balanced(world, handled=1001, missing=0)


def test_the_try_is_counted_before_the_content_is_fetched(world: World) -> None:
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    world.server.move(first, INBOX)
    world.faults.record = True
    world.drain()
    calls = world.faults.calls
    assert calls.index("journal.begin_tries") < calls.index("bodies")


def test_one_that_ends_the_process_when_it_is_compared_becomes_a_dead_letter(world: World) -> None:
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    world.server.move(first, ELSEWHERE)
    world.server.deliver(copy(b"other\r\n", "poison"))
    world.drain()
    assert world.states() == {State.HANDLED: 1, State.FAILED: 1}
    assert [row.reason for row in world.rows() if row.state is State.FAILED] == ["poison"]
    assert_balanced(world, handled=1, failed=1)


@pytest.mark.parametrize(
    ("what", "after"),
    [(Killed, False), (Killed, True), (ConnectionLost, True), (JournalUnavailable, False)],
    ids=["killed before", "killed after", "answer lost", "no journal"],
)
@pytest.mark.parametrize("body", [b"first\r\n", b"other\r\n"], ids=["same", "other"])
def test_wherever_it_breaks_off_nothing_is_lost_and_nothing_doubled(
    body: bytes, what: type[BaseException], after: bool
) -> None:
    calls = 0
    while _survives(body, Fault(calls, after, what)):
        calls += 1
    assert calls > 10


def _survives(body: bytes, fault: Fault) -> bool:
    """Whether the fault struck. A message moved back beside a copy that has its headers."""
    world = World()
    first = world.server.deliver(copy(b"first\r\n"))
    world.tick()
    world.server.move(first, INBOX)
    world.server.deliver(copy(body))
    world.faults.planned = fault
    world.tick()
    struck = world.faults.planned is None
    world.faults.planned = None
    for _ in range(5):
        world.tick(700)
    assert contents(world)[0] == b"first\r\n"
    assert body in contents(world)[1:]
    assert len(set(handed(world))) == 2
    assert world.states() == {State.HANDLED: 2}
    assert_balanced(world, handled=2, missing=0)
    return struck


@pytest.mark.parametrize("moved", [False, True])
def test_done_mail_in_a_renumbered_folder_is_known_by_its_headers(moved: bool) -> None:
    """None is fetched again, and none is handed over."""
    world = World(handled="keep")
    for body in (b"first\r\n", b"other\r\n", b"third\r\n"):
        world.server.deliver(copy(body))
    world.drain()
    if moved:
        world.server.move(world.server.all_mail(INBOX)[0], ELSEWHERE)
    world.server.renumber(INBOX)
    world.faults.record = True
    world.drain()
    assert len(contents(world)) == 3
    assert "bodies" not in world.faults.calls
    assert_balanced(world, handled=3, missing=int(moved))


@pytest.mark.parametrize("at_once", [1, 100])
@pytest.mark.parametrize("late", [False, True])
def test_a_copy_in_a_renumbered_folder_is_told_by_its_content(
    monkeypatch: pytest.MonkeyPatch, late: bool, at_once: int
) -> None:
    """Wherever it lies among the others, in this batch of headers or another, or if it comes later."""
    monkeypatch.setattr("worker.pipeline.header_suspects.HEADS_AT_ONCE", at_once)
    world = World(handled="keep")
    for body in (b"first\r\n", b"third\r\n"):
        world.server.deliver(copy(body))
    world.drain()
    if not late:
        world.server.deliver(copy(b"other\r\n"), uid=None)
    world.server.renumber(INBOX)
    world.tick()
    if late:
        world.server.deliver(copy(b"other\r\n"))
    world.drain()
    assert contents(world) == [b"first\r\n", b"third\r\n", b"other\r\n"]
    assert_balanced(world, handled=3, missing=0)


def test_mail_whose_content_the_journal_does_not_know_is_known_by_headers_and_size(
    world: World, logged: Logged
) -> None:
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    with world.database.write() as connection:
        connection.execute(update(message).values(content=None))
    world.server.move(first, INBOX)
    world.drain()
    assert contents(world) == [b"first\r\n"]
    assert fields(logged, "message.known_by_headers") == [{"count": 1, "folder": INBOX}]
    assert world.told.known == 1
    world.server.move(first, ELSEWHERE)
    world.server.deliver(copy(b"another size\r\n"))
    world.drain()
    assert contents(world) == [b"first\r\n", b"another size\r\n"]


def test_junk_whose_body_is_never_fetched_is_known_by_its_whole_header_and_its_size() -> None:
    world = World(move_releases=True)
    world.headers_only = True
    world.start()
    first = world.server.deliver(copy(b"first\r\n"), JUNK)
    world.drain()
    assert world.states() == {State.JUNK: 1}
    world.server.move(first, ELSEWHERE)
    other = world.server.deliver(copy(b"other\r\n").replace(b"X-Kind: ok", b"X-Kind: ok\r\nX-More: yes"))
    world.drain()
    assert contents(world) == [b"other\r\n"]
    assert not world.told.keys_moved_out, "a copy of junk isn't released by the move of the junk"
    assert world.states() == {State.JUNK: 1, State.HANDLED: 1}
    world.server.delete(other)
    world.server.move(first, INBOX)
    world.drain()
    assert len(world.told.keys_moved_out) == 1, "the junk itself is"
    assert contents(world) == [b"other\r\n", b"first\r\n"]


@pytest.mark.parametrize("hold", [False, True])
def test_a_copy_that_comes_while_the_first_is_in_hand_is_handled_though_the_first_is_moved_away(hold: bool) -> None:
    world = World()
    world.hung = {"ok"}
    first = world.server.deliver(copy(b"first\r\n"))
    world.tick()
    world.server.move(first, ELSEWHERE)
    world.server.deliver(copy(b"other\r\n"))
    world.tick()
    world.hands.hold = hold
    world.end_hang()
    world.drain()
    assert contents(world) == [b"first\r\n", b"other\r\n"]
    assert_balanced(world, handled=2)


def test_a_copy_is_not_taken_for_one_that_waits_for_its_next_try() -> None:
    """Or the handlers that the first has been through would never have the copy."""
    world = World()
    first = world.server.deliver(copy(b"first\r\n", "twice"))
    world.tick()
    world.server.move(first, ELSEWHERE)
    world.server.deliver(copy(b"other\r\n"))
    world.drain()
    assert contents(world) == [b"first\r\n", b"other\r\n"]
    assert world.states() == {State.GONE: 1, State.HANDLED: 1}
    world.server.move(first, INBOX)
    world.drain()
    assert contents(world) == [b"first\r\n", b"other\r\n"]
    assert world.states() == {State.HANDLED: 2}
    assert_balanced(world, handled=2)


@pytest.mark.parametrize("retried", [0, 1])
def test_two_dead_letters_that_a_renumbered_folder_confuses_keep_their_contents(retried: int) -> None:
    world = World()
    for body in (b"first\r\n", b"other\r\n"):
        world.server.deliver(copy(body, "reject"))
    world.drain()
    world.server.renumber(FAILED)
    world.drain()
    rows = world.rows()
    by_key = {call.key: call.raw for call in world.calls}
    world.retry(rows[retried].key)
    world.drain()
    for call in world.calls:
        assert call.raw == by_key[call.key]
    assert world.states() == {State.FAILED: 2}
    assert_balanced(world, failed=2)


@pytest.mark.parametrize("late", ["veiled", "headless", "unlisted"])
@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_junk_that_shows_late_in_a_renumbered_inbox_has_not_left_the_junk_folder(late: str, restarts: int) -> None:
    """It counts as moved there by then, though nobody has seen it there. Moves release what they move out."""
    world = World(Server(capabilities=["UIDPLUS", "IDLE", "MOVE"]), move_releases=True)
    one = world.server.deliver(mail(junk=True), nailed=True)
    world.tick()
    world.server.renumber(INBOX)
    one.nailed, one.unsearched = False, late == "unlisted"
    setattr(one, late, True)
    world.start()
    world.tick()
    for _ in range(restarts):
        world.start()
        world.tick()
    setattr(one, late, False)
    one.unsearched = False
    world.drain()
    assert [call.handler for call in world.calls] == ["quarantine"]
    assert world.server.folder_of(one) == JUNK
