"""Copies just when places of messages aren't known: none passes for another, and none is handed over twice."""

from collections.abc import Callable
from itertools import count

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, PROCESSED, Mail, Server, mail
from tests.fakes.world import Fault, Killed, World
from worker.message.outcome import State


def copy(body: bytes, kind: str = "ok", *, junk: bool = False) -> bytes:
    """Mail that has the same headers each time."""
    return mail(kind, serial=70_002, body=body, junk=junk)


def contents(world: World) -> list[bytes]:
    """What was handed over, in order."""
    return [call.raw.partition(b"\r\n\r\n")[2] for call in world.calls if call.handler in ("archive", "quarantine")]


def die_at(world: World, command: str, *, after: bool) -> None:
    """One poll, in which the process dies at this command."""

    def die(name: str) -> None:
        if name == command:
            raise Killed

    setattr(world.server, "after" if after else "before", die)
    world.tick()
    assert world.deaths == 1
    world.server.before = world.server.after = lambda _name: None


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("body", [b"first\r\n", b"other\r\n"], ids=["same", "other"])
def test_without_move_mail_that_came_to_the_junk_folder_is_no_copy_of_ours(body: bytes, copied: bool) -> None:
    """Or the only copy of a message would be deleted, and the other would never be handed over."""
    world = World(Server(capabilities=["UIDPLUS", "IDLE"]))
    ours = world.server.deliver(copy(b"first\r\n", junk=True), received_at=1_700_000_001.0)
    die_at(world, "copy", after=copied)
    other = world.server.deliver(copy(body), JUNK, received_at=1_700_000_002.0)
    world.drain()
    assert contents(world) == [b"first\r\n", body]
    assert (world.server.folder_of(ours), world.server.folder_of(other)) == (JUNK, JUNK)
    assert len(world.server.all_mail()) == 2
    assert_balanced(world, junk=2, missing=0)


@pytest.mark.parametrize("moved", [False, True])
def test_mail_in_a_renumbered_folder_is_not_taken_for_what_was_moved_from_there(moved: bool) -> None:
    """The process died before it could write down that it had moved it."""
    world = World()
    first = world.server.deliver(copy(b"first\r\n"), received_at=1_700_000_001.0)
    die_at(world, "move", after=moved)
    other = world.server.deliver(copy(b"other\r\n"), received_at=1_700_000_002.0)
    world.server.renumber(INBOX)
    world.drain()
    assert contents(world) == [b"first\r\n", b"other\r\n"]
    assert (world.server.folder_of(first), world.server.folder_of(other)) == (PROCESSED, PROCESSED)
    assert_balanced(world, handled=2, missing=0)


def test_mail_in_a_renumbered_folder_that_arrived_at_another_time_is_another() -> None:
    """As many messages as rows, with the same headers and the same size; the one that was handled is gone."""
    world = World(handled="keep")
    first = world.server.deliver(copy(b"first\r\n"), received_at=1_700_000_001.0)
    world.drain()
    world.server.delete(first)
    world.server.renumber(INBOX)
    world.server.deliver(copy(b"other\r\n"), received_at=1_700_000_002.0)
    world.drain()
    assert contents(world) == [b"first\r\n", b"other\r\n"]
    assert_balanced(world, handled=2, missing=1)


def test_a_mailbox_that_lost_its_dates_of_arrival_hands_nothing_over_again() -> None:
    """As when it was brought to another server by a tool that doesn't keep them: the contents are compared."""
    world = World(handled="keep")
    for number in range(5):
        world.server.deliver(mail(body=b"%d\r\n" % number))
    world.drain()
    world.server.renumber(INBOX)
    for one in world.server.all_mail(INBOX):
        one.received_at += 86_400.0
    world.drain()
    assert len(handed(world)) == 5
    assert_balanced(world, handled=5, missing=0)


def test_junk_known_by_its_headers_is_accounted_for_when_its_body_is_read() -> None:
    """It was moved out of the junk folder, while the message itself and a copy were moved about.

    All three are alike. So what comes last is taken for the first one, moved back, and isn't handed over once more.
    """
    world = World()
    world.headers_only = True
    world.start()
    first = world.server.deliver(copy(b"first\r\n"))
    world.server.copy(first, JUNK)
    world.tick()
    world.server.renumber(JUNK)
    world.server.move(first, JUNK)
    world.server.deliver(copy(b"first\r\n"))
    for _ in range(3):
        world.tick()
        assert world.balance().unaccounted_keys == ()
    world.drain()
    assert contents(world) == [b"first\r\n", b"", b""]
    assert_balanced(world, handled=1, junk=2, missing=0)


@pytest.mark.parametrize("to", [JUNK, ELSEWHERE])
def test_what_was_read_says_nothing_of_the_place_where_the_message_was_found_since(to: str) -> None:
    """A message that was moved back is moved away while it is compared, and a copy comes."""
    world = World()
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    world.server.move(first, INBOX)
    world.hung = {"ok"}
    world.tick()
    assert [row.may_be_another for row in world.rows()] == [False, True]
    world.server.move(first, to)
    other = world.server.deliver(copy(b"other\r\n"))
    world.tick()
    world.end_hang()
    world.drain()
    assert contents(world) == [b"first\r\n", b"other\r\n"]
    assert (world.server.folder_of(first), world.server.folder_of(other)) == (to, PROCESSED)
    assert_balanced(world, handled=2, missing=int(to == ELSEWHERE))


def _renumbered(world: World, _first: Mail) -> None:
    world.server.renumber(INBOX)


def _moved_away(world: World, first: Mail) -> None:
    world.server.move(first, JUNK)


def _moved_about(world: World, first: Mail) -> None:
    world.server.move(first, ELSEWHERE)
    world.server.move(first, INBOX)


@pytest.mark.parametrize("moves", [_renumbered, _moved_away, _moved_about])
@pytest.mark.parametrize("where", [INBOX, JUNK])
def test_a_message_that_waits_for_its_next_try_is_not_handed_over_as_another_beside_a_copy(
    where: str, moves: Callable[[World, Mail], None]
) -> None:
    world = World()
    first = world.server.deliver(copy(b"first\r\n", "retry"))
    world.tick()
    world.server.deliver(copy(b"other\r\n"), where)
    moves(world, first)
    world.drain()
    assert sorted({(call.key, call.raw.partition(b"\r\n\r\n")[2]) for call in world.calls}) == [
        (key, body)
        for key, body in zip(sorted(set(handed_by_anybody(world))), (b"first\r\n", b"other\r\n"), strict=True)
    ]
    assert not world.states()[State.GONE]
    assert world.states().total() == 2


def handed_by_anybody(world: World) -> list[str]:
    """The keys that any handler was given."""
    return [call.key for call in world.calls]


def _one_tried_and_one_untried(calls: int) -> World:
    """A message that waits for its next try, and one that came when the process died after so many calls."""
    world = World()
    for _ in range(4):  # so that a renumbered folder has the first one first
        world.server.deliver(mail(), ELSEWHERE)
    world.server.deliver(copy(b"first\r\n", "retry"), received_at=1_700_000_001.0)
    world.tick()
    world.server.deliver(copy(b"other\r\n", "retry"), received_at=1_700_000_002.0)
    world.faults.planned = Fault(calls, after=False, what=Killed)
    world.tick()
    return world


@pytest.mark.parametrize("taken", [False, True])
def test_one_that_was_never_handed_over_does_not_take_the_place_of_one_that_was(taken: bool) -> None:
    """It is taken away, copies come, and the folder is renumbered: the headers say nothing of which is which."""
    worlds = (_one_tried_and_one_untried(calls) for calls in count())
    world = next(world for world in worlds if [row.tries for row in world.rows()] == [1, 0])
    if taken:
        world.server.delete(world.server.all_mail(INBOX)[1])
    for number in (3, 4):
        world.server.deliver(copy(b"%5d\r\n" % number, "retry"), received_at=1_700_000_000.0 + number)
    world.server.renumber(INBOX)
    world.drain()
    assert sorted({call.raw for call in world.calls}) == sorted(one.raw for one in world.server.all_mail(PROCESSED))
    assert len({call.key for call in world.calls}) == 4 - taken
    assert_balanced(world, handled=4 - taken, missing=0)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("known", ["numbers never told", "renumbered"])
def test_of_messages_whose_places_are_unknown_each_may_be_the_one_that_was_moved_back(known: str, which: int) -> None:
    """So it isn't handed over again, whichever it is."""
    world = World()
    world.server.copyuid = known == "renumbered"
    mails = [world.server.deliver(copy(body)) for body in (b"first\r\n", b"other\r\n")]
    world.drain()
    if known == "renumbered":
        world.server.renumber(PROCESSED)
    world.server.move(mails[which], INBOX)
    world.drain()
    assert contents(world) == [b"first\r\n", b"other\r\n"]
    assert_balanced(world, handled=2, missing=0)
    world.server.copy(mails[1 - which], INBOX)
    world.drain()
    assert len(contents(world)) == 3
    assert_balanced(world, handled=3, missing=0)


def test_identical_messages_whose_places_are_unknown_are_as_many_as_came() -> None:
    world = World()
    world.server.copyuid = False
    one, other = (world.server.deliver(copy(b"first\r\n")) for _ in range(2))
    world.drain()
    world.server.move(one, INBOX)
    world.server.copy(other, INBOX)
    world.drain()
    assert len(set(handed(world))) == 3
    assert_balanced(world, handled=3, missing=0)


def test_a_dead_letter_that_was_taken_for_lost_and_lies_there_is_tried_again() -> None:
    world = World()
    world.server.copyuid = False
    mails = [world.server.deliver(copy(body, "reject")) for body in (b"first\r\n", b"other\r\n")]
    world.drain()
    world.server.move(mails[1], INBOX)
    world.drain()
    for row in world.rows():
        world.retry(row.key)
    world.drain()
    assert len(contents(world)) == 2
    assert sorted(call.raw for call in world.calls if call.handler == "notify") == sorted(
        2 * [copy(b"first\r\n", "reject"), copy(b"other\r\n", "reject")]
    )
    assert_balanced(world, failed=2, missing=0)


def test_a_copy_of_what_is_in_hand_waits_until_that_is_done() -> None:
    """Until then nobody can say whether it is that message itself, which was found elsewhere since."""
    world = World()
    world.server.deliver(copy(b"first\r\n", "retry"))
    world.tick()
    world.hung = {"retry"}
    world.tick(700)
    assert len(world.hands) == 1
    world.server.deliver(copy(b"other\r\n", "retry"))
    world.server.renumber(INBOX)
    world.tick()
    world.end_hang()
    world.drain()
    assert len({call.key for call in world.calls}) == 2
    assert_balanced(world, handled=2, missing=0)


def test_a_message_in_doubt_that_was_moved_is_accounted_for() -> None:
    world = World()
    first = world.server.deliver(copy(b"first\r\n"))
    world.drain()
    world.hung = {"ok"}
    world.server.move(first, JUNK)
    world.tick()
    world.server.move(first, INBOX)
    assert world.balance().unaccounted_keys == ()
    world.end_hang()
    world.drain()
    assert_balanced(world, handled=1, missing=0)
