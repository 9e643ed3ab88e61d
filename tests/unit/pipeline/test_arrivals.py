"""What has come since the last poll is counted without being taken in."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, PROCESSED, mail
from tests.fakes.world import World
from worker.journal.facts import Facts


def counted(world: World) -> int | None:
    note = Facts(world.database).pause_note()
    assert note is not None
    return note.arrived


def paused(world: World) -> None:
    Facts(world.database).pause("ann@host", world.clock())
    world.clock.now += 2  # a pause holds within a second


def test_what_comes_in_a_pause_is_counted_and_left_alone(world: World) -> None:
    world.server.deliver(mail())
    world.tick()
    paused(world)
    world.tick()
    assert counted(world) == 0
    for number in range(5):
        world.server.deliver(mail(), JUNK if number == 4 else INBOX)
    world.tick(61)
    assert counted(world) == 5
    assert len(world.rows()) == 1


def test_what_an_unfinished_poll_took_in_is_not_counted_again(world: World) -> None:
    for _ in range(30):
        world.server.deliver(mail())
    world.begun = lambda _message: paused(world)
    world.tick()
    world.tick()
    assert counted(world) == 30 - len(world.rows())


def test_what_people_took_away_by_hand_waits_no_more(world: World) -> None:
    paused(world)
    mails = [world.server.deliver(mail()) for _ in range(5)]
    world.tick()
    for each in mails[1:]:
        world.server.move(each, ELSEWHERE)
    world.tick(61)
    assert counted(world) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["clean", "junk", "taken", "deleted", "filed", "renumbered", "poll", "pause", "restart"]),
            st.integers(0, 100),
        ),
        max_size=40,
    ),
    st.sampled_from([PROCESSED, "keep"]),
)
@settings(max_examples=100, deadline=None)
def test_the_count_is_never_less_than_what_waits(steps: list[tuple[str, int]], handled: str) -> None:
    """Whatever people do to the mailbox before and in the pause: nobody is told that less waits than does."""
    world = World(handled=handled)
    for step, number in steps:
        if step in ("clean", "junk"):
            world.server.deliver(mail(), JUNK if step == "junk" else INBOX)
        elif step == "renumbered":
            world.server.renumber(INBOX)
        elif step == "poll":
            world.tick(61)
        elif step == "pause":
            paused(world)
        elif step == "restart":
            world.start()
        elif there := world.server.all_mail(INBOX, JUNK):
            person_at(world, step, there[number % len(there)])
    paused(world)
    world.tick(61)
    session: Any = world.server.session()
    known = {(row.place.folder, row.place.uid_in(session.status(row.place.folder))) for row in world.rows()}
    waits = [(name, uid) for name in (INBOX, JUNK) for uid in world.server.folders[name].mails]
    assert (counted(world) or 0) >= len(set(waits) - known)
    assert (counted(world) or 0) <= len(waits)


def person_at(world: World, step: str, chosen: Any) -> None:
    if step == "deleted":
        world.server.delete(chosen)
    else:
        world.server.move(chosen, ELSEWHERE if step == "taken" else PROCESSED)
