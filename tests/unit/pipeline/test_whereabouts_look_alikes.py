"""Which of several known messages a message is, and which of them are no longer where their rows say."""

from dataclasses import dataclass, replace

import pytest

from tests.fakes.checks import assert_balanced, handed
from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, mail
from tests.fakes.world import World
from worker.journal.records import Place, Record
from worker.mailbox.session import HEADS_AT_ONCE
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.whereabouts import which_of

HERE = Place(JUNK, 15, 7)
"""Where a message is found."""


@dataclass(frozen=True, slots=True)
class Found:
    """A message that a look found at that place, of the same date of arrival as all of these."""

    size: int
    place: Place = HERE
    received_at: float = 0.0


def row(state: State, place: Place) -> Record:
    """A message of 10 bytes."""
    return Record(
        id=1,
        key="k",
        fingerprint="k",
        state=state,
        verdict=Verdict(MailPath.CLEAN),
        place=place,
        size=10,
        received_at=0.0,
        first_seen_at=0.0,
        tries=0,
        deaths=0,
        in_hand=None,
        next_at=None,
        settle_to=None,
        settled=True,
        missed=0,
        released=False,
    )


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("folder", [JUNK, INBOX])
def test_a_message_of_another_size_is_taken_for_one_that_is_not_done_alone(state: State, folder: str) -> None:
    """Junk is done in its own folder; elsewhere it may be handed over again."""
    known = row(state, replace(HERE, folder=folder, uid=3))
    is_done = state in (State.HANDLED, State.FAILED) or (state is State.JUNK and folder == JUNK)
    for size in (10, 11):
        candidates = [known]
        best = which_of(candidates, Found(size))
        assert best is (None if is_done and size == 11 else known)
        assert candidates == ([known] if best is None else [])


@pytest.mark.parametrize("known", [replace(HERE, uidvalidity=14), replace(HERE, uid=None)], ids=["number", "unknown"])
def test_in_a_renumbered_folder_the_size_does_not_matter(known: Place) -> None:
    candidates = [row(State.HANDLED, known)]
    assert which_of(candidates, Found(11)) is not None
    candidates = [row(State.HANDLED, replace(known, folder=INBOX))]
    assert which_of(candidates, Found(11)) is None


def handled_look_alikes(world: World, count: int) -> list[int]:
    """So many messages of the same header, handled and moved. Returns their rows."""
    for _ in range(count):
        world.server.deliver(mail(serial=7002))
    world.drain()
    assert world.states() == {State.HANDLED: count}
    return [one.id for one in world.rows()]


def test_a_copy_of_a_message_whose_uid_is_not_known_is_a_message_of_its_own(world: World) -> None:
    """The message still lies in its folder, though its row doesn't say where."""
    (known,) = handled_look_alikes(world, 1)
    world.places.misplaced([known])
    (moved,) = world.server.all_mail(PROCESSED)
    world.server.copy(moved, INBOX)
    world.drain()
    assert len(set(handed(world))) == len(handed(world)) == 2
    assert_balanced(world, handled=2, missing=0)


def test_a_message_whose_uid_is_not_known_is_not_seen_in_its_look_alike(world: World) -> None:
    """One of two look-alikes came back. The other lies in its place, and isn't the one that came back."""
    _, second = handled_look_alikes(world, 2)
    back = world.server.all_mail(PROCESSED)[1]
    world.places.misplaced([second])
    world.server.move(back, INBOX)
    world.drain()
    assert len(handed(world)) == 2
    assert_balanced(world, handled=2, missing=0)


def test_messages_that_come_back_together_are_known_again_whether_their_uids_are_known_or_not(world: World) -> None:
    for _ in range(4):
        world.server.deliver(mail())
    world.drain()
    world.places.misplaced([one.id for one in world.rows()[::2]])
    for one in world.server.all_mail(PROCESSED):
        world.server.move(one, INBOX)
    world.drain()
    assert len(handed(world)) == 4
    assert_balanced(world, handled=4, missing=0)


def test_a_message_whose_uid_is_not_known_and_that_lies_in_no_folder_of_ours_is_missing(world: World) -> None:
    (known,) = handled_look_alikes(world, 1)
    world.places.misplaced([known])
    world.server.move(world.server.all_mail(PROCESSED)[0], ELSEWHERE)
    world.drain()
    assert_balanced(world, handled=1, missing=1)


def test_a_great_many_messages_of_others_are_looked_through_a_few_at_a_time(world: World) -> None:
    """Their headers, parsed, would take more memory than the process has."""
    world.server.copyuid = False
    world.server.deliver(mail("reject"))
    world.drain()
    for _ in range(HEADS_AT_ONCE + 20):
        world.server.deliver(mail(), FAILED)
    world.server.most_heads = 0
    world.retry(world.rows()[0].key)
    world.drain()
    assert world.states() == {State.FAILED: 1}
    assert world.server.most_heads == HEADS_AT_ONCE
