"""Messages in a folder that the server doesn't open now wait until it does; they end only if the folder is gone."""

from collections.abc import Callable

import pytest

from tests.fakes.checks import Logged, assert_balanced, fields, handed
from tests.fakes.mailbox import FAILED, PROCESSED, Server, busy, mail
from tests.fakes.world import World
from worker.mailbox.errors import FolderRefused, MailboxError
from worker.message.outcome import State
from worker.pipeline.dispatch import UNOPENED_WAIT

MOVE, NO_MOVE = ["MOVE", "UIDPLUS", "IDLE"], ["UIDPLUS", "IDLE"]
Says = Callable[[str], MailboxError]
each_refusal = pytest.mark.parametrize("says", [FolderRefused, busy], ids=["refused", "busy"])


def with_dead_letter(capabilities: list[str]) -> World:
    """A dead letter, which a handler takes from now on. Without MOVE, a retry handles it from where it lies."""
    world = World(Server(capabilities=capabilities))
    dead = world.server.deliver(mail("reject"))
    world.drain()
    world.server.all_mail(FAILED)[0].raw = dead.raw.replace(b"reject", b"ok    ")
    world.calls.clear()
    return world


@each_refusal
@pytest.mark.parametrize("capabilities", [MOVE, NO_MOVE], ids=["move", "no move"])
def test_a_retried_dead_letter_waits_until_its_folder_is_opened(capabilities: list[str], says: Says) -> None:
    world = with_dead_letter(capabilities)
    world.server.closed[FAILED] = says
    world.retry(world.rows()[0].key)
    for number in range(1, 6):
        world.server.deliver(mail())
        world.tick()
        assert world.states() == {State.PENDING: 1, State.HANDLED: number}, "other mail isn't held up"
        assert (world.rows()[0].missed, world.rows()[0].tries) == (0, 0)
    assert world.connector.logins == 1
    world.server.closed.clear()
    world.drain()
    assert world.states() == {State.HANDLED: 6}
    assert len(handed(world)) == len(set(handed(world))) == 6 - 1, "the first handler had it before"
    assert world.server.all_mail(FAILED) == []
    assert_balanced(world, handled=6, gone=0, missing=0)


def test_a_message_whose_uid_is_not_known_waits_as_well(logged: Logged) -> None:
    """The folder is refused when the message is looked for, after it was opened for the others."""
    world = with_dead_letter(NO_MOVE)
    world.retry(world.rows()[0].key)
    world.server.closed[FAILED] = FolderRefused
    world.tick()
    world.server.renumber(FAILED)
    for _ in range(3):
        world.tick()
    assert (world.states(), world.rows()[0].missed) == ({State.PENDING: 1}, 0)
    assert logged("message.gone") == []
    world.server.closed.clear()
    world.drain()
    assert_balanced(world, handled=1, gone=0, missing=0)


@each_refusal
def test_a_folder_that_is_not_opened_is_asked_for_again_after_a_while_and_not_at_once(says: Says) -> None:
    world = with_dead_letter(NO_MOVE)
    world.server.closed[FAILED] = says
    world.retry(world.rows()[0].key)
    assert world.tick() == UNOPENED_WAIT
    world.faults.record = True
    world.tick(UNOPENED_WAIT / 2)
    assert not {"select", "folders"} & set(world.faults.calls)
    world.tick(UNOPENED_WAIT / 2)
    assert "select" in world.faults.calls


def test_a_folder_that_is_deleted_ends_its_messages_after_two_polls(logged: Logged) -> None:
    world = with_dead_letter(NO_MOVE)
    world.server.closed[FAILED] = FolderRefused
    world.retry(world.rows()[0].key)
    world.tick()
    world.tick()
    del world.server.folders[FAILED]
    world.tick()
    assert (world.states(), world.rows()[0].missed) == ({State.PENDING: 1}, 1)
    world.tick()
    assert world.states() == {State.GONE: 1}
    assert [line["count"] for line in logged("message.gone")] == [1]


@each_refusal
def test_what_is_to_be_handled_again_waits_until_its_folder_is_opened(says: Says, logged: Logged) -> None:
    world = World()
    world.server.deliver(mail())
    world.drain()
    world.calls.clear()
    (row,) = world.rows()
    world.server.closed[PROCESSED] = says
    world.handle_again(row.key)
    for _ in range(4):
        world.tick()
        assert len(world.intents.open()) == 1
        assert (world.states(), world.calls) == ({State.HANDLED: 1}, [])
    assert world.connector.logins == 1
    world.server.closed.clear()
    world.drain()
    assert world.intents.open() == []
    assert [call.redelivery for call in world.calls] == [1, 1]
    assert fields(logged, "message.not_there") == []


def test_what_is_to_be_handled_again_from_a_deleted_folder_is_not_there(logged: Logged) -> None:
    world = World()
    world.server.deliver(mail())
    world.drain()
    (row,) = world.rows()
    world.server.closed[PROCESSED] = FolderRefused
    world.handle_again(row.key)
    world.tick()
    world.server.folders.pop(PROCESSED)
    world.tick()
    assert len(world.intents.open()) == 1, "one look alone doesn't say so"
    world.tick()
    assert world.intents.open() == []
    assert fields(logged, "message.not_there") == [{"key": row.key, "folder": PROCESSED}]


@each_refusal
def test_a_move_that_an_earlier_connection_left_open_waits_until_its_folder_is_opened(says: Says) -> None:
    """It is asked for again on the same connection."""
    world = with_dead_letter(NO_MOVE)
    world.server.refusing = {("copy", FAILED)}
    world.retry(world.rows()[0].key)
    world.tick()
    assert [(row.state, row.settled) for row in world.rows()] == [(State.HANDLED, False)]
    world.server.refusing = set()
    world.server.closed[FAILED] = says
    world.start()
    for _ in range(3):
        world.tick()
    assert [row.settled for row in world.rows()] == [False]
    world.server.closed.clear()
    logins = world.connector.logins
    world.tick(1000)
    assert [(row.settled, row.place.folder) for row in world.rows()] == [(True, PROCESSED)]
    assert world.connector.logins == logins
