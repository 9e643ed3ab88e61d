"""Mail that arrives in the middle of a run waits for no later one: IDLE reports it, or the next run begins at once."""

from itertools import count

import pytest

from tests.fakes.mailbox import INBOX, JUNK, PROCESSED, mail
from tests.fakes.world import World
from worker.loop.cycle import CHATTY

AT_ONCE = (0.0, CHATTY)
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


def run_with_arrival(world: World, number: int) -> tuple[bytes | None, float | None]:
    """One run; right after this command of it a message arrives. Returns that, if it did, and the run's wait (s)."""
    late, commands = mail(), count()
    arrived: list[bytes] = []

    def come(_command: str) -> None:
        if next(commands) == number:
            world.server.deliver(late)
            arrived.append(late)

    world.server.after = come
    wait = world.tick()
    return (arrived[0] if arrived else None), wait


@pytest.mark.parametrize("handled", [PROCESSED, "keep"])
@pytest.mark.parametrize("waiting", WAITING.values(), ids=WAITING.keys())
@pytest.mark.parametrize("has_run", [False, True], ids=["first run", "later run"])
def test_mail_that_arrives_after_any_command_of_a_run_is_handled_at_once(
    handled: str, waiting: Waiting, has_run: bool
) -> None:
    for number in count():
        world = a_world(handled, waiting, has_run=has_run)
        late, wait = run_with_arrival(world, number)
        if late is None:
            break
        for _ in range(3):
            if any(call.raw == late for call in world.calls):
                break
            assert wait in AT_ONCE, f"what arrives after command {number} waits for {wait} s"
            wait = world.tick(0.0)
        assert any(call.raw == late for call in world.calls)
    assert number >= 3, "a run has more commands than that"


def test_a_folder_whose_next_uid_grows_with_each_select_does_not_keep_us_looping(world: World) -> None:
    def grow(command: str) -> None:
        if command == "select":
            world.server.folders[INBOX].uidnext += 1

    world.server.before = grow
    world.server.deliver(mail(), JUNK)
    assert [world.tick() for _ in range(3)] == [0.0, None, None]
