"""The ledger and its witness: what each knows, and what is found out when one of them forgot."""

from contextlib import suppress

import pytest

from tests.unit.login.memory import Beside, Killed, MemoryLedger, Store
from tests.unit.login.world import (
    LIMIT,
    World,
    fail,
    rejected_after,
    send,
    standing,
    standing_of,
    token_world,
    unavailable,
)
from worker.journal.database import JournalUnavailable
from worker.login.refusals import (
    Halted,
    NoAttempt,
)
from worker.login.standing import Reason
from worker.login.witness import Testimony as Seen  # a name that pytest doesn't take for a test
from worker.mailbox.errors import (
    LoginFailed,
    Throttled,
)
from worker.mailbox.login_failures import FailureClass

F = FailureClass


# -- the journal's name, and where it goes on --------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["append", "begin"])
def test_a_first_row_that_cant_be_written_leaves_a_witness_that_has_a_name(
    monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    world = World()

    def write() -> None:
        if what == "append":
            world.processes[0][1].reset("unlocked", actor="person")
        else:
            world.login(0)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryLedger, what, unavailable)
        with pytest.raises(JournalUnavailable):
            write()
    assert world.beside.testimony is not None
    begun = world.beside.testimony.epoch
    write()
    assert begun == world.store.facts["epoch"] == world.beside.testimony.epoch
    assert len(begun) == 32


def test_a_reset_before_any_attempt_names_the_journal() -> None:
    world = World()
    world.processes[0][1].reset("unlocked", actor="person")
    assert world.beside.testimony is not None
    assert world.beside.testimony.epoch == world.store.facts["epoch"]
    assert world.store.facts["epoch"]
    world.login(1)
    assert standing(world).failures == 0


def test_a_pause_before_any_attempt_names_the_journal() -> None:
    world = World()
    with pytest.raises(Throttled):
        world.login(0, "throttled first")
    assert world.beside.testimony is not None
    assert world.beside.testimony.epoch == world.store.facts["epoch"]
    assert world.store.facts["epoch"]


def test_a_pause_on_a_restored_journal_is_numbered_after_what_was() -> None:
    world = World()
    copy = world.snapshot()
    world.login(0)
    world.login(0)
    world.put_back(copy)  # nothing failed since, so nothing can have been forgotten that matters
    with pytest.raises(Throttled):
        world.login(0, "throttled first")
    assert world.store.records[-1].number == 3
    assert world.beside.testimony is not None
    assert world.store.facts["epoch"] == world.beside.testimony.epoch


def test_a_restored_journal_goes_on_where_its_witness_stopped() -> None:
    world = World()
    world.login(0)
    name, copy = world.store.facts["epoch"], world.snapshot()
    world.login(0)
    world.put_back(copy)
    world.login(0)
    assert world.store.records[-1].number == 3
    world.put_back(Store())
    world.login(0)
    assert (world.store.records[-1].number, world.store.facts["epoch"]) == (4, name)


def test_a_host_without_a_witness_joins_a_shared_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryLedger, "shared", True)
    world = World()
    fail(world)
    name, own = world.store.facts["epoch"], world.beside
    world.beside = Beside()  # the other host's
    other = world.start()[1]
    with other.attempt() as attempt:
        attempt.credential()
        attempt.logged_in()
        attempt.first_command_ok()
    assert world.store.facts["epoch"] == name
    assert (world.beside.testimony, own.testimony) == (Seen(name, 2, 0), Seen(name, 1, 1))
    world.processes[0] = world.start()
    world.login(0)


# -- what the witness knows --------------------------------------------------------------------------------------------


def test_a_reset_is_known_to_the_witness() -> None:
    world = World()
    world.processes[0][1].reset("unlocked", actor="person")
    epoch = world.store.facts["epoch"]
    assert world.beside.testimony == Seen(epoch, 1, 0)
    fail(world, times=2)
    assert world.beside.testimony == Seen(epoch, 3, 2)
    world.processes[0][1].reset("unlocked", actor="person", again=True)
    assert world.beside.testimony == Seen(epoch, 4, 0)
    world.put_back(Store())
    world.processes[0][1].reset("unlocked", actor="person")
    assert world.store.records[0].number == 5  # numbers never go back
    assert world.beside.testimony == Seen(epoch, 5, 0)


def test_the_witness_knows_how_an_attempt_ended() -> None:
    world = World()
    fail(world)
    fail(world, "throttled")
    epoch = world.store.facts["epoch"]
    assert world.beside.testimony == Seen(epoch, 2, 1)
    world.login(0)
    assert world.beside.testimony == Seen(epoch, 3, 0)
    assert not world.store.records[-1].counts


def test_a_token_in_flight_is_no_failure_to_the_witness() -> None:
    world, _ = token_world()
    with suppress(Killed), world.processes[0][1].attempt() as attempt:
        attempt.credential()
        assert world.beside.testimony == Seen(world.store.facts["epoch"], 1, 0)
        world.processes[0][0].dead = True
        raise Killed


def test_an_attempt_that_the_witness_cant_hear_of_isnt_made_and_spends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.login(0)
    with monkeypatch.context() as patch:
        patch.setattr(world.processes[0][0].witness, "write", unavailable)
        for _ in range(LIMIT):
            with pytest.raises(JournalUnavailable), world.processes[0][1].attempt() as attempt:
                attempt.credential()
            assert (standing(world).failures, standing(world).reason) == (0, F.LOST_BEFORE_SENDING)
            world.now += 1_000
    assert world.server.sent == 1
    world.login(0)


def test_a_witness_that_cant_hear_of_the_end_goes_on_saying_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    with world.processes[0][1].attempt() as attempt:
        attempt.credential()
        attempt.logged_in()
        monkeypatch.setattr(world.processes[0][0].witness, "write", unavailable)
        attempt.first_command_ok()
    assert world.beside.testimony is not None
    assert world.beside.testimony.failures == 1
    assert standing(world).failures == 0


def test_a_later_testimony_is_left_alone() -> None:
    world = World()
    later = Seen("another", 99, 5)
    with pytest.raises(LoginFailed):
        rejected_after(world, lambda: setattr(world.beside, "testimony", later))
    assert world.beside.testimony == later


# -- a journal that forgot ---------------------------------------------------------------------------------------------


def test_a_doubt_is_a_row_that_says_why_and_its_witness_knows() -> None:
    world = World()
    fail(world)
    name = world.store.facts["epoch"]
    world.put_back(Store())
    with pytest.raises(Halted):
        world.login(0)
    [row] = world.store.records
    assert (row.kind, row.number, row.actor, row.counts) == ("doubt", 2, "replica", False)
    assert row.note == "the journal is older than the last attempt, or another one: emptied, restored or rebuilt"
    assert world.store.facts["epoch"] == name
    assert world.beside.testimony == Seen(name, 2, world.lockout.budget)


def test_a_reset_makes_good_for_a_restored_journal() -> None:
    world = World()
    kept = world.snapshot()
    fail(world, times=2)
    world.put_back(kept)
    with pytest.raises(Halted) as caught:
        world.login(0)
    assert caught.value.reason == Reason.JOURNAL
    assert standing_of(world, 1).reason == Reason.JOURNAL
    world.processes[0][1].reset("unlocked", actor="person")
    world.login(0)
    world.put_back(kept)
    world.login(0)  # nothing had failed since the success


def test_a_journal_rebuilt_under_an_attempt_in_flight_refills_nothing() -> None:
    world = World()
    for _ in range(LIMIT):
        with suppress(Killed, NoAttempt), world.processes[0][1].attempt() as attempt:
            world.server.receive(attempt.credential().secret)
            world.processes[0][0].dead = True
            raise Killed
        world.put_back(Store())
    assert world.server.worst == 1
    with pytest.raises(Halted):
        world.login(0)
    assert standing(world).reason == Reason.JOURNAL


def test_a_doubted_journal_doesnt_keep_tokens_out() -> None:
    world, tokens = token_world()
    world.processes[1][0].source = world
    with pytest.raises(LoginFailed):
        world.login(1, "rejected")
    world.store.records.clear()
    world.store.facts.clear()
    send(world)
    with pytest.raises(Halted) as caught:
        world.login(1)
    assert caught.value.reason == Reason.JOURNAL
    assert world.processes[0][0].source is tokens


@pytest.mark.parametrize("again", [False, True])
def test_a_token_on_a_doubted_journal_doesnt_end_the_doubt(*, again: bool) -> None:
    world, tokens = token_world()
    world.processes[0][0].source = world
    fail(world, times=5)
    world.put_back(Store())
    process = world.processes[0][0]
    with pytest.raises(Halted):
        world.login(0)
    process.source = tokens
    send(world)
    process.source = world
    if again:  # forgotten once more: the witness mustn't have learnt that there is nothing to forget
        world.put_back(Store())
    with pytest.raises(Halted) as caught:
        world.login(0)
    assert caught.value.reason == Reason.JOURNAL
    assert world.server.sent == 5
