"""Which messages a request reopens, what becomes of those in hand meanwhile, and what is told of it."""

from dataclasses import replace

import pytest

from tests.fakes.checks import Logged, assert_balanced, fields
from tests.fakes.mailbox import JUNK, mail
from tests.fakes.world import World
from worker.logs.redaction import as_word
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.requests import RELEASED, is_junk


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("path", MailPath)
def test_what_is_junk_by_its_state_or_its_path_can_be_released_unless_it_is_handled(
    world: World, state: State, path: MailPath
) -> None:
    world.server.deliver(mail("retry"))
    world.tick()
    record = replace(world.rows()[0], state=state, verdict=Verdict(path))
    can_be = state is State.JUNK or (path is MailPath.JUNK and state is not State.HANDLED)
    assert is_junk(record) == can_be


@pytest.mark.parametrize("state", [State.PENDING, State.FAILED])
def test_a_release_of_clean_mail_changes_nothing(world: World, state: State) -> None:
    world.server.deliver(mail("retry" if state is State.PENDING else "reject"))
    world.tick()
    (row,) = world.rows()
    world.release(row.key)
    world.tick(1)
    (after,) = world.rows()
    assert (after.state, after.released, after.tries) == (state, False, row.tries)


def test_a_rejection_by_the_junk_handler_makes_no_dead_letter_of_what_was_released_meanwhile(world: World) -> None:
    """A false positive that a person has opened must reach the handlers of clean mail."""
    world.hung.add("reject")
    world.start()
    world.server.deliver(mail("reject"), JUNK)
    world.tick()
    assert len(world.hands) == 1
    world.release(world.rows()[0].key)
    world.tick()
    world.end_hang()
    world.tick(700)
    assert [call.handler for call in world.calls] == ["quarantine", "archive", "notify"]
    assert_balanced(world, failed=1)


def test_a_request_that_does_not_apply_leaves_the_outcome_of_a_message_in_hand_as_it_is(world: World) -> None:
    world.hung.add("reject")
    world.start()
    world.server.deliver(mail("reject"))
    world.tick()
    (row,) = world.rows()
    world.retry(row.key)
    world.release(row.key)
    world.tick()
    world.end_hang()
    world.tick(700)
    assert [call.handler for call in world.calls] == ["archive", "notify"]
    assert_balanced(world, failed=1)


def test_a_release_keeps_the_evidence_and_is_told_of_with_who_asked(world: World, logged: Logged) -> None:
    world.server.deliver(mail(), JUNK)
    world.drain()
    (row,) = world.rows()
    assert row.verdict.evidence
    world.release(row.key)
    world.tick(1)
    (after,) = world.rows()
    assert after.verdict == Verdict(MailPath.CLEAN, (*row.verdict.evidence, RELEASED))
    assert fields(logged, "message.released") == [{"key": row.key, "actor": as_word("a person")}]


def test_a_retry_is_told_of_with_who_asked(world: World, logged: Logged) -> None:
    world.server.deliver(mail("reject"))
    world.drain()
    (row,) = world.rows()
    world.retry(row.key)
    world.tick(1)
    assert fields(logged, "message.retried") == [{"key": row.key, "actor": as_word("a person")}]
