"""A journal that hosts share: what each knows of the others' attempts, and a restore behind their backs."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.unit.login.memory import Beside, Store
from tests.unit.login.world import World
from worker.journal.database import JournalUnavailable
from worker.login.backoff import Lockout
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Halted, NoAttempt
from worker.login.standing import Reason
from worker.login.witness import Testimony as Seen  # a name that pytest doesn't take for a test
from worker.mailbox.errors import LoginFailed

QUICK = Lockout(per_credential=8, waits=(0.01,), jitter=0.0)


@pytest.fixture
def world() -> World:
    world = World(QUICK, shared=True)
    world.server.password = "Nobody-Knows-1"
    return world


def try_out(world: World, which: int, times: int = 1) -> None:
    for _ in range(times):
        with suppress(LoginFailed, NoAttempt):
            world.login(which)
        world.now += 100


def look(world: World) -> None:
    for _, guard in world.processes:
        guard.keep_watch()


@pytest.mark.parametrize("first", [0, 1])
def test_a_restore_behind_the_hosts_backs_is_found_out_by_whichever_comes_first(world: World, first: int) -> None:
    try_out(world, 0, 3)
    look(world)
    copy = world.snapshot()
    try_out(world, 1, 5)
    look(world)
    world.put_back(copy)
    try_out(world, first, 3)
    try_out(world, 1 - first, 3)
    assert world.server.worst == 8
    with pytest.raises(Halted) as caught:
        world.login(first)
    assert caught.value.reason == Reason.JOURNAL


@pytest.mark.parametrize("lost", [False, True])
def test_a_restore_into_another_database_is_found_out_by_every_host(world: World, *, lost: bool) -> None:
    try_out(world, 0, 3)
    copy = world.snapshot()
    try_out(world, 0, 5)
    if lost:
        world.beside, world.other = Beside(), Beside()
    world.put_elsewhere(copy)
    for which in (1, 0):
        with pytest.raises(Halted) as caught:
            world.login(which)
        assert caught.value.reason == Reason.JOURNAL
    assert world.server.worst == 8
    world.processes[1][1].reset("unlocked", actor="person")
    world.server.unlock()
    world.server.password = world.configured
    for which in (0, 1):
        world.login(which)


def test_a_running_host_finds_out_by_itself(world: World) -> None:
    try_out(world, 0, 3)
    copy = world.snapshot()
    try_out(world, 0, 2)
    look(world)
    world.store.records[:] = copy.records
    world.processes[1][1].keep_watch()
    assert [row.kind for row in world.store.records[3:]] == ["doubt"]
    assert world.processes[0][1].status().standing.reason == Reason.JOURNAL


def test_a_look_raises_the_witness_and_writes_nothing_while_nothing_has_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, guard = world.processes[1]
    guard.keep_watch()
    assert world.other.testimony is None
    try_out(world, 0, 2)
    guard.keep_watch()
    assert world.other.testimony == Seen(world.store.facts["epoch"], 2, 2) == world.beside.testimony
    with monkeypatch.context() as patch:
        patch.setattr(process.witness, "write", fail)
        patch.setattr(process.ledger, "history", fail)
        guard.keep_watch()
        patch.undo()
    process, restarted = world.start(1)
    with monkeypatch.context() as patch:
        patch.setattr(process.witness, "write", fail)
        restarted.keep_watch()
    world.server.password = world.configured
    world.login(0)
    guard.keep_watch()
    assert world.other.testimony == Seen(world.store.facts["epoch"], 3, 0)


def test_a_look_at_an_empty_journal_is_one_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    process, guard = world.processes[1]
    guard.keep_watch()
    monkeypatch.setattr(process.ledger, "history", fail)
    guard.keep_watch()


def fail(*_given: object, **_named: object) -> None:
    raise AssertionError("read or written for nothing")


def test_a_witness_that_was_lost_is_made_anew_at_the_next_look(world: World) -> None:
    try_out(world, 0, 2)
    look(world)
    world.other.testimony = None
    look(world)
    assert world.other.testimony == world.beside.testimony


def test_what_a_command_would_spend_is_foreseen_on_a_host_without_a_witness(world: World) -> None:
    try_out(world, 0)
    assert world.other.testimony is None
    found = world.processes[1][1].foresee()
    assert found is not None
    assert found.remaining == 7


def test_a_look_waits_for_no_attempt_and_comes_again(world: World) -> None:
    guard = world.processes[1][1]

    def meanwhile() -> None:
        guard.keep_watch()
        assert world.other.testimony is None
        assert not world.mutex.waited

    with suppress(LoginFailed, AttemptInProgress):
        world.login(0, within=meanwhile)
    guard.keep_watch()
    assert world.other.testimony == world.beside.testimony


def test_a_look_that_fails_is_made_again(world: World) -> None:
    process, guard = world.processes[1]
    try_out(world, 0)
    for step in range(3):
        process.fail_at = step
        with pytest.raises(JournalUnavailable):
            guard.keep_watch()
    process.fail_at = None
    guard.keep_watch()
    assert world.other.testimony == world.beside.testimony


@pytest.mark.parametrize("empty", [Store, lambda: Store(place="elsewhere")])
def test_an_emptied_journal_is_found_out(world: World, empty: Callable[[], Store]) -> None:
    try_out(world, 0, 2)
    look(world)
    world.put_back(empty())
    for which in (1, 0):
        with pytest.raises(Halted):
            world.login(which)


def test_one_hosts_witness_sees_everything_anyway() -> None:
    world = World()
    with suppress(LoginFailed):
        world.login(0, "rejected")
    process, guard = world.processes[1]
    process.ledger.head = fail  # nothing is read
    guard.keep_watch()
