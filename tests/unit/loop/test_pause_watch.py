"""A pause is told at its beginning, when it has lasted, and each day from then on, with what has come."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tests.fakes.checks import Logged
from tests.fakes.mailbox import JUNK, mail
from tests.fakes.world import World
from worker.journal.facts import Facts
from worker.logs.log import configure as configure_logging
from worker.loop.pause_watch import DAY

HOUR = 3600.0


def paused(world: World, actor: str = "ann@host", reason: str = "") -> Facts:
    facts = Facts(world.database)
    facts.pause(actor, world.clock(), reason)
    return facts


def test_a_pause_is_told_with_who_and_why_and_again_when_it_lasts(world: World, logged: Logged) -> None:
    world.server.deliver(mail())
    facts = paused(world, reason="the archive moves")
    since = world.clock()
    world.tick()
    told = {"since": since, "actor": "ann_host", "words": "the archive moves"}
    assert logged("worker.paused") == [{"event": "worker.paused", "log_level": "warning", "count": 1, **told}]
    world.server.deliver(mail())
    for _ in range(3):
        world.tick(HOUR)
    assert logged("worker.still_paused") == [{"event": "worker.still_paused", "log_level": "error", "count": 2, **told}]
    world.tick(DAY)
    assert len(logged("worker.still_paused")) == 2
    facts.resume()
    world.tick()
    assert len(logged("worker.resumed")) == 1
    assert len(logged("worker.paused")) == 1


def test_another_person_s_pause_is_told(world: World, logged: Logged) -> None:
    paused(world)
    world.tick()
    paused(world, "bob@host")
    world.tick()
    assert [line["actor"] for line in logged("worker.paused")] == ["ann_host", "bob_host"]


def test_it_counts_no_more_often_than_it_polls(world: World) -> None:
    paused(world)
    world.tick()
    asked: list[str] = []
    before = world.server.before

    def note(name: str) -> None:
        asked.append(name)
        before(name)

    world.server.before = note
    for _ in range(11):
        world.tick(5.0)
    assert "status" not in asked
    world.tick(5.0)
    assert asked.count("status") >= 1


def test_a_folder_that_cannot_be_looked_at_in_a_pause_is_a_trouble(world: World) -> None:
    paused(world)
    world.tick()
    del world.server.folders[JUNK]
    world.tick(61)
    assert world.cycle.trouble == "mailbox"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["tick", "tick", "tick", "pause", "resume", "restart", "mail"]),
            st.floats(1.0, 1.5 * DAY),
        ),
        min_size=1,
        max_size=40,
    )
)
@settings(max_examples=100, deadline=None)
def test_no_pause_is_forgotten(steps: list[tuple[str, float]]) -> None:
    """Whatever happens, and however often the process restarts: a pause is told at its first run, one that lasts for
    more than an hour by the first run after that, and then at least once a day.
    """
    configure_logging(level="warning", format="json", stream=io.StringIO(), hooks=False)
    world = World()
    facts = Facts(world.database)
    since = told_at = None
    for step, seconds in steps:
        world.clock.now += seconds
        if step == "pause":
            facts.pause("ann@host", world.clock())
            since = since or world.clock()
        elif step == "resume":
            facts.resume()
            since = told_at = None
        elif step == "restart":
            world.start()
            told_at = None
        elif step == "mail":
            world.server.deliver(mail())
        else:
            with capture_logs() as lines:
                world.tick()
            told = [line["event"] for line in lines if line["event"] in ("worker.paused", "worker.still_paused")]
            if since is None:
                assert told == []
                continue
            lasted = world.clock() - since
            assert ("worker.paused" in told) == (told_at is None)
            if lasted >= HOUR and (told_at is None or told_at - since < HOUR or world.clock() - told_at >= DAY):
                assert "worker.still_paused" in told
            if lasted < HOUR:
                assert "worker.still_paused" not in told
            if told:
                told_at = world.clock()
            note = facts.pause_note()
            assert note is not None
            assert note.arrived is not None
