"""Nothing is handed over twice because headers seemed to say which message is which: each case was found by machine."""

from itertools import count

import pytest

from tests.fakes.checks import assert_balanced
from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, mail
from tests.fakes.world import Fault, Killed, World
from worker.message.outcome import State

EARLY, LATE, LATER = 1_700_000_001.0, 1_700_000_002.0, 1_700_000_003.0


def copy(body: bytes, kind: str = "ok", *, junk: bool = False) -> bytes:
    """Mail that has the same five headers each time."""
    return mail(kind, serial=70_003, body=body, junk=junk)


def headers_only() -> World:
    """A worker whose handlers of junk are given headers alone, so that it doesn't know the contents of junk."""
    world = World()
    world.headers_only = True
    world.start()
    return world


def keys_by_body(world: World, handler: str = "archive") -> dict[bytes, set[str]]:
    """Under which keys the handler was given each content."""
    keys: dict[bytes, set[str]] = {}
    for call in world.calls:
        if call.handler == handler:
            keys.setdefault(call.raw.partition(b"\r\n\r\n")[2], set()).add(call.key)
    return keys


def assert_each_once(world: World, *bodies: bytes) -> None:
    """Each of these contents was handed over, under one key, and no others were."""
    keys = keys_by_body(world)
    assert {body: len(names) for body, names in keys.items()} == dict.fromkeys(bodies, 1)
    assert len(set[str]().union(*keys.values())) == len(bodies), "one key for two contents"


def listed_first(world: World, body: bytes) -> bool:
    """Whether the message with this body has the lowest UID of INBOX."""
    mails = world.server.folders[INBOX].mails
    return mails[min(mails)].raw.endswith(b"\r\n\r\n" + body)


@pytest.mark.parametrize("body", [b"first\r\n", b"third\r\n"])
def test_junk_in_its_renumbered_folder_is_no_row_for_a_copy_that_comes(body: bytes) -> None:
    """Two rows and two messages, but one of the rows is junk that can't be either of them."""
    world = headers_only()
    world.server.deliver(copy(b"first\r\n", junk=True), received_at=EARLY)
    world.server.deliver(copy(b"other\r\n", "retry"), received_at=LATE)
    world.tick()
    world.server.deliver(copy(body), received_at=LATER)
    world.server.renumber(JUNK)
    world.server.renumber(INBOX)
    assert listed_first(world, body)
    world.drain()
    assert_each_once(world, b"other\r\n", body)
    assert_balanced(world, handled=2, junk=1, gone=0, missing=0)


def _one_tried_and_one_untried(calls: int) -> World:
    """A message that waits for its next try, and one that came when the process died after so many calls."""
    world = World()
    world.server.deliver(mail(), ELSEWHERE)  # so that a renumbered folder lists the last one first
    world.server.deliver(copy(b"other\r\n", "retry"), received_at=EARLY)
    world.tick()
    world.server.deliver(copy(b"untried\r\n", "retry"), received_at=LATE)
    world.faults.planned = Fault(calls, after=False, what=Killed)
    world.tick()
    return world


def test_a_copy_that_is_listed_first_does_not_take_the_row_of_a_message_that_was_tried() -> None:
    """The message would then take a row that was never tried, and be handed over again without being compared."""
    worlds = (_one_tried_and_one_untried(calls) for calls in count())
    world = next(world for world in worlds if [row.tries for row in world.rows()] == [1, 0])
    world.server.delete(world.server.all_mail(INBOX)[1])
    world.server.deliver(copy(b"third\r\n", "retry"), received_at=LATER)
    world.server.renumber(INBOX)
    assert listed_first(world, b"third\r\n")
    world.drain()
    assert_each_once(world, b"other\r\n", b"third\r\n")
    assert_balanced(world, handled=2, missing=0)


def test_junk_that_waits_for_its_next_try_is_not_taken_for_mail_that_came() -> None:
    """Its folder is renumbered, and INBOX is looked at first: the same headers lie there, of another date."""
    world = headers_only()
    world.server.deliver(copy(b"first\r\n", "retry"), JUNK, received_at=EARLY)
    world.tick()
    world.server.deliver(copy(b"other\r\n", "retry"), received_at=LATE)
    for name in (JUNK, INBOX, JUNK):
        world.server.renumber(name)
        world.tick()
        assert world.balance().unaccounted_keys == ()
    world.drain()
    assert_each_once(world, b"other\r\n")
    assert {call.key for call in world.calls if call.handler == "quarantine"}.isdisjoint(
        *keys_by_body(world).values()
    ), "one key for two messages"
    assert_balanced(world, handled=1, junk=1, gone=0, missing=0)


def test_junk_that_seems_to_have_left_its_folder_is_compared_with_what_is_lost() -> None:
    """All arrived in the same second, so that nothing but the content tells them apart."""
    world = headers_only()
    world.server.deliver(copy(b"first\r\n", "retry"), JUNK, received_at=EARLY)
    world.tick()
    world.server.deliver(mail(), ELSEWHERE)  # these say in which order a renumbered folder lists the others
    world.server.deliver(copy(b"other\r\n", "retry"), received_at=EARLY)
    world.tick()
    for _ in range(2):
        world.server.deliver(mail(), ELSEWHERE)
    world.server.deliver(copy(b"third\r\n", "retry"), received_at=EARLY)
    world.server.renumber(JUNK)
    world.server.renumber(INBOX)
    assert listed_first(world, b"other\r\n")
    for _ in range(3):
        world.tick()
        assert world.balance().unaccounted_keys == ()
    world.drain()
    assert_each_once(world, b"other\r\n", b"third\r\n")
    assert len(world.server.all_mail(JUNK)) == 1
    assert_balanced(world, handled=2, junk=1, missing=0)


def test_junk_that_was_found_again_is_not_compared_with_a_message_of_another_date() -> None:
    """A dead letter with the content of a message that is lost just then. That one would be handed over again."""
    world = World(handled="keep")
    world.headers_only = world.hold = True
    world.start()
    world.server.deliver(copy(b"first\r\n"), received_at=EARLY)
    world.tick()
    world.server.deliver(copy(b"first\r\n", "reject", junk=True), received_at=LATE)
    world.tick()
    dead = next(row.key for row in world.rows() if row.state is State.FAILED)
    world.server.renumber(FAILED)
    world.server.deliver(copy(b"first\r\n", junk=True), received_at=LATER)
    world.server.renumber(INBOX)
    world.retry(dead)
    for _ in range(3):
        world.tick()
        assert world.balance().unaccounted_keys == ()
    world.drain()
    assert_each_once(world, b"first\r\n")
    assert_balanced(world, handled=1, junk=1, failed=1, gone=0, missing=0)
