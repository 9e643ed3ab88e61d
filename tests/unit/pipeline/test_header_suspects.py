"""A header that ends the process is a dead letter after so many deaths, and its neighbours are handled."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import FAILED, INBOX, JUNK, Mail, mail
from tests.fakes.world import DEATHS, Fault, Killed, World
from worker.mailbox.errors import ConnectionLost
from worker.message.outcome import State


class Fault70(Exception):
    """A fault of ours in reading a header."""


def test_a_header_that_ends_the_process_is_a_dead_letter_and_its_neighbours_are_handled(world: World) -> None:
    world.server.deliver(mail())
    killer = world.server.deliver(mail(), ends_at_head=Killed)
    world.server.deliver(mail())
    for _ in range(DEATHS + 1):
        world.tick()
    assert world.deaths == DEATHS + 1
    world.drain()
    assert world.deaths == DEATHS + 1
    assert world.states() == {State.HANDLED: 2, State.FAILED: 1}
    assert [row.reason for row in world.rows() if row.state is State.FAILED] == ["header-poison"]
    assert world.server.folder_of(killer) == FAILED
    assert len(handed(world)) == 2
    assert_balanced(world, handled=2, failed=1)


def test_each_death_is_counted_before_the_header_is_asked_for(world: World) -> None:
    world.server.deliver(mail(), ends_at_head=Killed)
    for deaths in range(DEATHS):
        world.tick()
        reads = world.places.header_reads()
        assert (len(reads.reading), reads.alone) == (1, True)
        assert list(reads.deaths.values()) == ([] if deaths == 0 else [deaths])


def test_the_next_run_reads_one_header_at_a_time_and_then_many_again(world: World) -> None:
    for _ in range(20):
        world.server.deliver(mail())
    killer = world.server.deliver(mail(), ends_at_head=Killed)
    world.tick()
    killer.ends_at_head = None
    world.server.most_heads = 0
    world.tick()
    assert world.server.most_heads == 1
    assert world.states() == {State.HANDLED: 21}
    for _ in range(20):
        world.server.deliver(mail())
    world.tick()
    assert world.server.most_heads == 20
    assert not world.places.header_reads().deaths


def test_a_death_with_others_in_hand_is_not_counted(world: World) -> None:
    """The process may have died of what the handlers had."""
    world.server.deliver(mail("slow"))
    world.hung.add("slow")
    world.tick()
    killer = world.server.deliver(mail(), ends_at_head=Killed)
    world.tick()
    assert not world.places.header_reads().alone
    world.end_hang()
    killer.ends_at_head = None
    world.drain()
    assert world.states() == {State.HANDLED: 2}


def test_a_suspect_that_somebody_takes_away_is_forgotten(world: World) -> None:
    killer = world.server.deliver(mail(), ends_at_head=Killed)
    world.tick()
    world.server.delete(killer)
    world.server.deliver(mail())
    world.drain()
    assert not world.places.header_reads().deaths
    assert world.states() == {State.HANDLED: 1}


def test_a_fault_of_ours_in_reading_a_header_is_no_end_of_all_mail(world: World) -> None:
    world.server.deliver(mail())
    faulty = world.server.deliver(mail(), ends_at_head=Fault70)
    world.server.deliver(mail())
    for _ in range(DEATHS + 3):
        world.tick(700)
    world.drain()
    assert world.states() == {State.HANDLED: 2, State.FAILED: 1}
    assert world.server.folder_of(faulty) == FAILED


@pytest.mark.parametrize("folder", [INBOX, JUNK])
def test_a_lost_connection_is_no_death(world: World, folder: str) -> None:
    one = world.server.deliver(mail(), folder, breaks_at_head=True)
    for _ in range(3 * DEATHS):
        world.tick(700)
        assert not world.places.header_reads().deaths
        if world.rows():
            break
    one.breaks_at_head = False
    world.drain()
    assert world.states()[State.FAILED] <= 1


@dataclass
class Plan:
    """What arrives before a poll, and what strikes during it."""

    innocent: int
    killers: int
    strikes: list[Fault] = field(default_factory=list)


faults = st.builds(Fault, st.integers(0, 60), st.booleans(), st.sampled_from([Killed, Killed, ConnectionLost]))
plans = st.lists(
    st.builds(Plan, st.integers(0, 6), st.sampled_from([0, 0, 1]), st.lists(faults, max_size=1)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=20)
@given(plans, st.booleans())
def test_killers_end_as_dead_letters_whatever_else_ends_the_process(plans: list[Plan], hold: bool) -> None:
    """Kills from outside, fewer than are counted as its own: no innocent message is given up."""
    world = World()
    world.hands.hold = hold
    killers: list[Mail] = []
    innocent: list[Mail] = []
    for plan in plans:
        killers += [world.server.deliver(mail(), ends_at_head=Killed) for _ in range(plan.killers)]
        innocent += [world.server.deliver(mail()) for _ in range(plan.innocent)]
        for fault in plan.strikes:
            world.faults.planned = Fault(fault.calls, fault.after, fault.what)
        world.tick()
    world.faults.planned = None
    for _ in range((DEATHS + 2) * (len(killers) + 1)):
        if world.states().total() == len(killers) + len(innocent):
            break
        world.tick(700)
    world.drain()
    rows = world.rows()
    assert [row.reason for row in rows if row.state is State.FAILED] == ["header-poison"] * len(killers)
    assert world.states()[State.HANDLED] == len(innocent)
    assert {world.server.folder_of(one) for one in killers} <= {FAILED}
    strikes = sum(len(plan.strikes) for plan in plans)
    assert world.deaths <= (DEATHS + 1) * len(killers) + 2 * strikes + len(plans)
    assert_balanced(world, handled=len(innocent), failed=len(killers))
