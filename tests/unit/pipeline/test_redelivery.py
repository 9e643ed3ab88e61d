"""Messages that a person has handled again: which are opened, which wait, and where they end."""

from typing import Any

import pytest
from sqlalchemy import update

from tests.fakes.checks import Logged, fields
from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import World
from worker.journal.schema import delivery
from worker.message.outcome import State
from worker.message.verdict import MailPath


@pytest.fixture
def world() -> World:
    """One message, handled and moved."""
    world = World()
    world.server.deliver(mail(), INBOX)
    world.drain()
    world.calls.clear()
    return world


def key_of(world: World) -> str:
    return world.rows()[0].key


def calls(world: World) -> list[tuple[str, int, str]]:
    return [(call.handler, call.redelivery, call.folder) for call in world.calls]


def test_it_is_handled_again_from_where_it_lies(world: World, logged: Logged) -> None:
    before = world.rows()[0]
    world.handle_again(before.key)
    world.tick()
    assert calls(world) == [("archive", 1, PROCESSED), ("notify", 1, PROCESSED)]
    row = world.rows()[0]
    assert (row.state, row.redelivery, row.place, row.settled) == (State.HANDLED, 1, before.place, True)
    assert row.settle_to == PROCESSED, "it counts as moved there, so that it is deleted in its time"
    assert fields(logged, "message.handled_again") == [{"key": row.key, "actor": "a_person", "redelivery": 1}]
    world.handle_again(row.key)
    world.drain()
    assert calls(world)[2:] == [("archive", 2, PROCESSED), ("notify", 2, PROCESSED)]
    assert world.balance().unaccounted == 0


def test_it_is_handled_where_it_was_kept() -> None:
    world = World(handled="keep")
    world.server.deliver(mail(), INBOX)
    world.drain()
    world.handle_again(key_of(world))
    world.drain()
    assert calls(world)[2:] == [("archive", 1, INBOX), ("notify", 1, INBOX)]
    assert [row.state for row in world.rows()] == [State.HANDLED]


def test_one_handler_alone_gets_it(world: World) -> None:
    world.handle_again(key_of(world), only="notify")
    world.drain()
    assert calls(world) == [("notify", 1, PROCESSED)]
    world.handle_again(key_of(world))
    world.drain()
    assert calls(world)[1:] == [("archive", 2, PROCESSED), ("notify", 2, PROCESSED)]


def test_a_handler_that_is_new_in_the_route_is_not_called_beside_the_one_that_was_named(world: World) -> None:
    with world.database.write() as connection:
        connection.execute(update(delivery).where(delivery.c.handler == "archive").values(done_at=None))
    world.handle_again(key_of(world), only="notify")
    world.drain()
    assert calls(world) == [("notify", 1, PROCESSED)]


def test_a_handler_that_no_route_names_any_more_makes_it_a_dead_letter(world: World) -> None:
    world.handle_again(key_of(world), only="retired")
    world.drain()
    row = world.rows()[0]
    assert (row.state, row.reason, row.place.folder) == (State.FAILED, "not-in-route:retired", FAILED)
    assert world.calls == []


def test_junk_goes_again_to_the_handlers_of_junk() -> None:
    world = World()
    world.server.deliver(mail(junk=True), INBOX)
    world.drain()
    world.handle_again(key_of(world), only="quarantine")
    world.drain()
    assert calls(world)[1:] == [("quarantine", 1, JUNK)]
    row = world.rows()[0]
    assert (row.state, row.verdict.path, row.redelivery) == (State.JUNK, MailPath.JUNK, 1)


def test_requests_for_the_same_message_are_carried_out_one_after_the_other(world: World) -> None:
    for only in ("archive", "notify", None):
        world.handle_again(key_of(world), only=only)
    world.drain()
    assert [(handler, count) for handler, count, _ in calls(world)] == [
        ("archive", 1),
        ("notify", 2),
        ("archive", 3),
        ("notify", 3),
    ]


@pytest.mark.parametrize("delete", [True, False])
def test_what_is_no_longer_there_is_said_and_stays_handled(world: World, logged: Logged, delete: bool) -> None:
    (one,) = world.server.all_mail(PROCESSED)
    world.server.delete(one) if delete else world.server.move(one, ELSEWHERE)
    world.handle_again(key_of(world))
    world.drain()
    assert (world.rows()[0].state, world.rows()[0].redelivery, world.calls) == (State.HANDLED, 0, [])
    assert fields(logged, "message.not_there") == [{"key": key_of(world), "folder": PROCESSED}]
    assert world.intents.open() == []


def test_what_a_person_moves_back_and_asks_for_at_once_is_handled_again(world: World, logged: Logged) -> None:
    (one,) = world.server.all_mail(PROCESSED)
    world.server.move(one, INBOX)
    world.handle_again(key_of(world))
    world.drain()
    assert [count for _, count, _ in calls(world)] == [1, 1]
    assert fields(logged, "message.not_there") == []


def test_what_was_moved_within_its_folder_is_found_by_its_header(world: World) -> None:
    (one,) = world.server.all_mail(PROCESSED)
    world.server.move(one, ELSEWHERE)
    world.server.move(one, PROCESSED)
    world.handle_again(key_of(world))
    world.drain()
    assert [count for _, count, _ in calls(world)] == [1, 1]


def test_a_request_waits_until_the_first_outcome_is_shown() -> None:
    world = World(Server(capabilities=["UIDPLUS", "IDLE", "MOVE"]))
    one = world.server.deliver(mail(), INBOX, nailed=True)
    world.tick()
    assert [(row.state, row.settled) for row in world.rows()] == [(State.HANDLED, False)]
    world.handle_again(key_of(world))
    world.tick()
    assert (len(world.intents.open()), world.rows()[0].redelivery) == (1, 0)
    one.nailed = False
    world.tick(2000)
    world.drain()
    assert (world.intents.open(), world.rows()[0].redelivery) == ([], 1)


@pytest.mark.parametrize("wanted", ["reject", "ok"])
def test_a_dead_letter_and_a_message_that_is_gone_are_left_alone(wanted: str) -> None:
    world = World()
    one = world.server.deliver(mail(wanted), INBOX)
    if wanted == "ok":
        world.down = True
        world.tick()
        world.server.delete(one)
    world.tick()
    world.tick()
    before: Any = world.rows()
    assert before[0].state in (State.FAILED, State.GONE)
    world.handle_again(key_of(world))
    world.tick()
    assert (world.rows(), world.intents.open()) == (before, [])


def test_what_fails_again_becomes_a_dead_letter_and_is_retried_with_the_same_count(world: World) -> None:
    world.hostile["ok"] = lambda: ValueError("no")
    world.handle_again(key_of(world), only="archive")
    world.drain()
    assert (world.rows()[0].state, world.rows()[0].place.folder) == (State.FAILED, FAILED)
    world.hostile.clear()
    world.calls.clear()
    world.retry(key_of(world))
    world.drain()
    assert [(handler, count) for handler, count, _ in calls(world)] == [("archive", 1)]
    assert (world.rows()[0].state, world.rows()[0].redelivery) == (State.HANDLED, 1)
