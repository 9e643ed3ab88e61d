"""What the guard answers beside an attempt: what a command would be granted, and its watch on other hosts."""

import pytest

from tests.unit.login.world import World
from worker.login.refusals import ReasonMissing
from worker.login.standing import State
from worker.mailbox.errors import LoginFailed


@pytest.mark.parametrize("answer", ["configuration", "protocol"])
def test_a_command_isnt_refused_for_what_the_server_said_of_another_way_to_log_in(answer: str) -> None:
    world = World()
    guard = world.processes[0][1]
    with pytest.raises(LoginFailed):
        world.login(0, answer)
    assert guard.foresee() is None
    world.way = "another"
    world.now += 1e6
    found = guard.foresee()
    assert found is not None
    assert found.state is State.READY
    world.way = "password"
    assert guard.foresee() is None


def test_on_a_single_host_the_watch_takes_no_mutex_and_reads_nothing() -> None:
    """It is called every few seconds, for as long as the worker runs."""
    world = World()
    world.login(0)
    process, guard = world.processes[0]
    process.fail_at = 0  # any use of the journal fails
    with world.mutex.hold():
        guard.keep_watch()
    guard.keep_watch()


def test_what_a_reset_without_a_reason_is_told() -> None:
    with pytest.raises(ReasonMissing) as refused:
        World().processes[0][1].reset("", actor="person")
    assert str(refused.value) == (
        "A reset needs a reason: who unlocked the account, and when. The audit trail records it. Nothing was done. "
        'Repeat the command with --reason "unlocked by …".'
    )
