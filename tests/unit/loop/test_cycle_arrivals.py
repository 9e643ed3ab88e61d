"""Mail that arrives in the middle of a run waits for no later one: IDLE reports it, or the next run begins at once."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count

import pytest

from tests.fakes.mailbox import INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import World
from worker.journal.facts import Facts
from worker.loop.cycle import CHATTY, STANDBY
from worker.mailbox.errors import ConnectionLost
from worker.message.outcome import State

AT_ONCE = (0.0, CHATTY)
RECONNECT = 1.0
"""Seconds until the next connection after a loss."""
Waiting = tuple[tuple[str, str], ...]
"""The kinds of messages, and in which folders they wait."""
WAITING: dict[str, Waiting] = {
    "nothing": (),
    "two reports": (("ok", INBOX), ("ok", INBOX)),
    "junk": (("ok", JUNK),),
    "a report, junk, and one that is refused": (("ok", INBOX), ("ok", JUNK), ("reject", INBOX)),
    "one that is tried again": (("retry", INBOX),),
}


def a_world(handled: str, waiting: Waiting, *, has_run: bool) -> World:
    world = World(handled=handled)
    world.start()
    if has_run:
        world.tick()
    for kind, folder in waiting:
        world.server.deliver(mail(kind), folder)
    return world


def with_mail_of_each_state() -> World:
    world = World()
    world.start()
    world.server.deliver(mail())
    world.server.deliver(mail("ok"), JUNK)
    world.tick()
    return world


def with_a_release() -> World:
    world = with_mail_of_each_state()
    world.release(next(row.key for row in world.rows() if row.state is State.JUNK))
    return world


def with_mail_to_handle_again() -> World:
    world = with_mail_of_each_state()
    world.handle_again(next(row.key for row in world.rows() if row.state is State.HANDLED))
    return world


def with_mail_to_delete() -> World:
    """It is done before the hourly look."""
    world = with_mail_of_each_state()
    world.delete_handled_after = timedelta(hours=1)
    world.clock.now += 7300
    world.even_clock()
    return world


def with_two_folders() -> World:
    world = World(Server(folders=["Results"]))
    world.watched_folders = (INBOX, "Results")
    world.start()
    world.tick()
    world.server.deliver(mail(), "Results")
    return world


def without_move() -> World:
    world = World(Server(capabilities=["UIDPLUS", "IDLE"]))
    world.start()
    world.server.deliver(mail())
    return world


def just_resumed() -> World:
    world = with_mail_of_each_state()
    Facts(world.database).pause("a person", world.clock())
    world.tick()
    Facts(world.database).resume()
    return world


STATES = [
    with_a_release,
    with_mail_to_handle_again,
    with_mail_to_delete,
    with_two_folders,
    without_move,
    just_resumed,
]


def run_with_arrival(
    world: World, number: int, then: type[Exception] | None = None
) -> tuple[bytes | None, float | None]:
    """One run; right after this command of it a message arrives. Returns that, if it did, and the run's wait (s).

    then: what happens next.
    """
    late, commands = mail(), count()
    arrived: list[bytes] = []

    def come(_command: str) -> None:
        if next(commands) == number:
            world.server.deliver(late)
            arrived.append(late)
            if then is not None:
                raise then("as mail arrives")

    world.server.after = come
    wait = world.tick()
    return (arrived[0] if arrived else None), wait


def assert_handled_at_once(made: Callable[[], World], then: type[Exception] | None = None) -> None:
    """Whenever mail arrives in a run of such a world, it is handled without waiting for a scheduled one."""
    for number in count():
        world = made()
        late, wait = run_with_arrival(world, number, then)
        if late is None:
            break
        for _ in range(3):
            if any(call.raw == late for call in world.calls):
                break
            assert wait in (*AT_ONCE, *([RECONNECT] if then else [])), f"after command {number} it waits for {wait} s"
            wait = world.tick(wait or 0.0)
        assert any(call.raw == late for call in world.calls)
    assert number >= 3, "a run has more commands than that"


@pytest.mark.parametrize("handled", [PROCESSED, "keep"])
@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING.keys())
@pytest.mark.parametrize("has_run", [False, True], ids=["first run", "later run"])
def test_mail_that_arrives_after_any_command_of_a_run_is_handled_at_once(
    handled: str, waiting: Waiting, has_run: bool
) -> None:
    assert_handled_at_once(lambda: a_world(handled, waiting, has_run=has_run))


@pytest.mark.parametrize("made", STATES)
def test_so_is_mail_that_arrives_while_something_else_is_done(made: Callable[[], World]) -> None:
    assert_handled_at_once(made)


def test_so_is_mail_that_arrives_as_the_connection_is_lost() -> None:
    assert_handled_at_once(lambda: a_world(PROCESSED, (("ok", INBOX), ("ok", JUNK)), has_run=True), then=ConnectionLost)


def test_mail_that_arrived_during_a_pause_is_handled_soon_if_the_pause_ends_as_its_last_run_does(world: World) -> None:
    """That run has heard of the mail already: IDLE doesn't report it again."""
    facts = Facts(world.database)
    world.tick()
    facts.pause("a person", world.clock())
    world.tick()
    late = world.server.deliver(mail()).raw

    def resume(command: str) -> None:
        if command == "idle":
            facts.resume()

    world.server.after = resume
    assert world.tick() == STANDBY
    world.tick(STANDBY)
    assert any(call.raw == late for call in world.calls)


def test_a_folder_whose_next_uid_grows_with_each_select_does_not_keep_us_looping(world: World) -> None:
    def grow(command: str) -> None:
        if command == "select":
            world.server.folders[INBOX].uidnext += 1

    world.server.before = grow
    world.server.deliver(mail(), JUNK)
    assert [world.tick() for _ in range(3)] == [0.0, None, None]
