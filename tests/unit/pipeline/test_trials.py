"""A handler whose target is down is paused and its mail waits; messages that are bad themselves take it from nobody."""

from typing import Any

import pytest

from tests.fakes.mailbox import mail
from tests.fakes.world import TRIES, World
from tests.unit.pipeline.deliveries import archived, deliver
from tests.unit.pipeline.hostile import DEFAULT_PAUSES, OF_THE_MESSAGE, OF_THE_TARGET, POLL
from worker.message.outcome import State
from worker.pipeline.dispatch import Bounds


def handled(world: World) -> int:
    return world.states()[State.HANDLED]


def default_world(**given: Any) -> World:
    """A world with the settings' defaults for circuits, and every kind of hostile mail."""
    world = World(pause_after=10, pauses=DEFAULT_PAUSES, **given)
    world.bounds = Bounds(batch_bytes=1_000_000, batch_count=100, patience=1.0)
    world.hostile = OF_THE_MESSAGE | OF_THE_TARGET
    world.start()
    return world


def test_while_a_handler_is_paused_its_mail_waits_and_spends_no_try() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 8)
    world.tick()
    assert len(archived(world)) == 3
    rows = world.rows()
    assert [row.tries for row in rows] == [1, 1, 1, 0, 0, 0, 0, 0]
    held = [row for row in rows if not row.tries]
    assert {row.reason for row in held} == {"paused:archive"}
    assert all(row.next_at == world.clock.now + 30 for row in held)
    assert all(row.in_hand is None and row.state is State.PENDING for row in rows)


def test_after_a_pause_one_message_is_tried_and_the_rest_not_even_fetched() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 8)
    world.tick()
    world.faults.record = True
    for _ in range(40):  # as many as a message has tries, and more
        world.clock.now = next_due(world)
        world.faults.calls.clear()
        before = len(archived(world))
        world.tick(0)
        assert len(archived(world)) - before <= 1 + 3  # the trial; and those that failed before, whose waits are over
        assert world.faults.calls.count("bodies") <= 2
    assert world.states()[State.PENDING] == 8 - world.states()[State.FAILED]


def next_due(world: World) -> float:
    due = world.tries.next_due_at()
    assert due is not None
    return max(due, world.clock.now + 0.001)


def test_when_the_target_is_back_all_goes_on_at_once() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 20)
    world.tick()
    world.down = False
    world.tick(30)
    world.tick(0)
    assert world.states() == {State.HANDLED: 17, State.PENDING: 3}  # these failed, and wait for their own next try
    world.drain()
    assert world.states() == {State.HANDLED: 20}


def test_a_long_outage_makes_no_dead_letters_of_mail_that_waits() -> None:
    world = World(pause_after=2)
    world.down = True
    deliver(world, 30)
    for _ in range(20):
        world.tick(130)
    assert world.states() == {State.PENDING: 30}
    world.down = False
    world.drain()
    assert world.states() == {State.HANDLED: 30}


@pytest.mark.parametrize("ordered", [False, True])
def test_an_outage_of_a_day_makes_no_dead_letters_however_few_messages_wait(ordered: bool) -> None:
    world = default_world(ordered=ordered)
    world.down = True
    for number in range(12):
        world.server.deliver(mail(sender=f"s{number}"))
    for _ in range(24 * 4):
        world.tick(900)
    assert world.states() == {State.PENDING: 12}
    assert max(row.tries for row in world.rows()) <= 2

    world.down = False
    world.drain()
    assert world.states() == {State.HANDLED: 12}


def test_all_that_wait_are_tried_in_turn_in_an_outage() -> None:
    """Though none of these trials counts: mail that makes the target fail must not be the trial again and again."""
    world = default_world()
    world.down = True
    deliver(world, 20)
    for _ in range(30):
        world.tick(900)
    assert len(set(archived(world))) == 20


def test_a_message_that_alone_makes_its_target_fail_ends_as_a_dead_letter_once_other_mail_comes() -> None:
    world = default_world()
    deliver(world, 12, kind="refused")
    for _ in range(40):
        world.tick(900)
    assert world.states() == {State.PENDING: 12}
    for _ in range(40):
        world.server.deliver(mail(sender="somebody"))
        world.tick(POLL)
    assert world.states() == {State.HANDLED: 40, State.FAILED: 12}


def test_one_bad_message_pauses_nobody() -> None:
    world = World(pause_after=3)
    deliver(world, 1, kind="always")
    for _ in range(TRIES):
        world.tick(700)
    deliver(world, 3)
    world.tick()
    assert world.states() == {State.HANDLED: 3, State.FAILED: 1}


def test_a_new_process_tries_what_waited_at_once() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 8)
    world.tick()
    world.down = False
    world.start()
    world.tick(0)
    assert world.states() == {State.HANDLED: 5, State.PENDING: 3}


def test_mail_for_other_handlers_goes_on_while_one_is_paused() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 5)
    for _ in range(4):
        world.server.deliver(mail(junk=True))
    world.tick()
    assert world.states() == {State.PENDING: 5, State.JUNK: 4}


def test_handlers_that_are_done_are_not_called_again_after_a_pause() -> None:
    world = World(pause_after=2)
    deliver(world, 4, kind="away")  # the second handler fails, twice for each
    for _ in range(12):
        world.tick(130)
    world.drain()
    assert len(archived(world)) == len(set(archived(world))) == 4
    assert world.states() == {State.HANDLED: 4}


def test_a_paused_handler_never_makes_the_polls_spin() -> None:
    world = World(pause_after=3)
    world.down = True
    deliver(world, 8)
    world.tick()
    for _ in range(30):
        world.tick(0)
        assert next_due(world) > world.clock.now


# -- messages that are bad themselves


@pytest.mark.parametrize(("kind", "count"), [*((kind, 30) for kind in sorted(OF_THE_MESSAGE)), ("error", 1000)])
def test_bad_mail_before_it_keeps_no_good_mail_from_its_handler(kind: str, count: int) -> None:
    world = default_world()
    deliver(world, count, kind=kind)
    deliver(world, 5)
    world.tick(POLL)
    world.tick(POLL)
    assert world.states() == {State.HANDLED: 5, State.PENDING: count}
    assert world.gates["archive"].circuit.times_held == 0


@pytest.mark.parametrize("kind", sorted(OF_THE_TARGET))
@pytest.mark.parametrize("senders", ["one", "many"])
def test_mail_that_makes_a_target_fail_keeps_no_other_mail_from_it(kind: str, senders: str) -> None:
    """As a web service that answers 500 to such mail, and takes all other."""
    world = default_world()
    for number in range(30):
        deliver(world, 1, kind=kind, sender="bad" if senders == "one" else f"bad {number}")
    for number in range(5):
        deliver(world, 1, sender=f"good {number}")
    world.tick(POLL)
    world.tick(POLL)
    assert handled(world) == 5


def test_good_mail_among_bad_is_not_kept_waiting_for_each_of_them() -> None:
    world = default_world()
    deliver(world, 500, kind="busy", sender="bad")
    deliver(world, 5, sender="good")
    deliver(world, 500, kind="busy", sender="bad")
    world.tick(POLL)
    world.tick(POLL)
    assert handled(world) == 5


def test_mail_that_waits_for_its_turn_is_no_witness_to_wait_for() -> None:
    world = World(pause_after=3, ordered=True)
    world.down = True
    for sender in "abc":
        deliver(world, 2, sender=sender)
    world.tick()
    world.tick()
    assert world.gates["archive"].circuit.open_for is not None
    world.down = False
    world.drain()
    assert world.states() == {State.HANDLED: 6}


def test_a_bad_message_is_put_off_by_its_routes_waits_and_ends_as_a_dead_letter() -> None:
    world = default_world()
    deliver(world, 30, kind="error")
    world.tick(POLL)
    assert {row.next_at for row in world.rows()} == {world.clock.now + 60}
    world.drain()
    assert world.states() == {State.FAILED: 30}
    assert len(archived(world)) == 30 * TRIES


@pytest.mark.parametrize(
    "kind", ["error", *(pytest.param(kind, marks=pytest.mark.slow) for kind in sorted({*OF_THE_MESSAGE} - {"error"}))]
)
def test_the_longest_wait_of_good_mail_among_ten_bad_ones_a_second(kind: str) -> None:
    """Two minutes long, a good message every five seconds; the worker is woken by IDLE once a second."""
    longest = longest_wait(kind, senders="one")
    print(f"ten bad messages a second for two minutes, {kind}: longest wait of a good one {longest:g} s")  # noqa: T201 -- the figure
    assert longest <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("senders", ["one", "many"])
def test_the_longest_wait_of_good_mail_among_ten_a_second_that_make_the_target_fail(senders: str) -> None:
    """By many senders is the worst case: only that the good ones were heard of before tells them from the others."""
    longest = longest_wait("busy", senders=senders, known=senders == "many")
    print(f"the same, but the target fails, {senders} sender(s): longest wait of a good one {longest:g} s")  # noqa: T201 -- the figure
    assert longest <= DEFAULT_PAUSES[0] + 5


def longest_wait(kind: str, *, senders: str, known: bool = False) -> float:
    """In seconds. senders: of the hostile mail. known: whether the other senders' mail was handled before."""
    world = default_world()
    if known:
        for number in range(3):
            deliver(world, 1, sender=f"good {number}")
        world.tick()
    arrived: dict[bytes, float] = {}
    waits: list[float] = []
    for second in range(7200):
        if second < 120:
            for number in range(10):
                deliver(world, 1, kind=kind, sender="bad" if senders == "one" else f"bad {second} {number}")
            if second % 5 == 2:
                arrived[deliver(world, 1, sender=f"good {second % 3}")[0]] = world.clock.now
        elif not arrived:
            return max(waits)
        before = len(world.finished)
        world.tick(1)
        done = [call.raw for call in world.finished[before:] if call.handler == "notify" and call.raw in arrived]
        waits += [world.clock.now - arrived.pop(raw) for raw in done]
    raise AssertionError(f"{len(arrived)} messages waited for two hours")
