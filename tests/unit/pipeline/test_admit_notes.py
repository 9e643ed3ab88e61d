"""What a move to another folder changes of a message's verdict, besides its path."""

import pytest

from tests.fakes.checks import Logged, fields
from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.world import World
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict

RESULTS = "Results"
FORMER = Evidence("exchange", "X-Header", "SCL:1", "an earlier look", counts=False)
NOTED = Verdict(MailPath.CLEAN, (FORMER,))
"""Clean, with evidence that a new look doesn't find."""


def world_of(kind: str, folder: str = INBOX) -> tuple[World, str]:
    """A worker that watches two folders and has tried one message, whose row has evidence that a look won't find."""
    world = World(Server(folders=[RESULTS]))
    world.watched_folders = (INBOX, RESULTS)
    world.start()
    world.server.deliver(mail(kind), folder)
    world.tick()
    (row,) = world.rows()
    world.journal.noted([(row.id, NOTED)])
    return world, row.key


def moved(world: World, target: str) -> Verdict:
    """The verdict once a person has moved the one message and the worker has seen it."""
    (one,) = world.server.all_mail()
    world.server.move(one, target)
    world.tick(1)
    return world.rows()[0].verdict


def test_evidence_of_a_pending_message_is_that_of_the_last_look() -> None:
    world, _ = world_of("retry")
    assert moved(world, RESULTS) == Verdict(MailPath.CLEAN)
    assert world.states() == {State.PENDING: 1}


def test_a_dead_letter_keeps_its_evidence_in_folders_of_clean_mail() -> None:
    world, _ = world_of("reject")
    assert world.server.all_mail(FAILED)
    assert moved(world, INBOX) == NOTED
    assert moved(world, RESULTS) == NOTED


def test_a_dead_letter_that_is_moved_to_junk_is_retried_as_junk() -> None:
    world, key = world_of("reject")
    assert moved(world, JUNK).path is MailPath.JUNK
    assert world.states() == {State.FAILED: 1}
    world.retry(key)
    world.tick(700)
    assert [call.handler for call in world.calls] == ["archive", "notify", "quarantine"]


def test_a_dead_letter_that_leaves_the_junk_folder_is_retried_as_clean() -> None:
    world, key = world_of("reject", JUNK)
    assert world.server.all_mail(FAILED)
    assert moved(world, JUNK).path is MailPath.JUNK
    assert moved(world, INBOX) == Verdict(MailPath.CLEAN)
    world.retry(key)
    world.tick(700)
    assert [call.handler for call in world.calls] == ["quarantine", "archive", "notify"]


@pytest.mark.parametrize("target", [JUNK, INBOX])
def test_handled_mail_keeps_its_verdict_wherever_it_is_moved(target: str) -> None:
    """It was handled as clean: junk in its row would make it look as if it could be released."""
    world, _ = world_of("ok")
    assert world.server.all_mail(PROCESSED)
    assert moved(world, target) == NOTED
    assert world.states() == {State.HANDLED: 1}


def test_a_release_by_a_move_is_told_of_with_its_key(logged: Logged) -> None:
    world = World(move_releases=True)
    world.server.deliver(mail(), ELSEWHERE)
    world.server.move(world.server.all_mail()[0], JUNK)
    world.drain()
    (row,) = world.rows()
    moved(world, INBOX)
    assert fields(logged, "message.moved_out") == [{"key": row.key}]
