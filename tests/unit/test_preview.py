"""What a dry run foresees, and that it changes nothing."""

from typing import Any

from tests.fakes.mailbox import JUNK, mail
from tests.fakes.world import ACCOUNT, World, _Routes, classify
from worker.mailbox.folders import Layout
from worker.message import Limits
from worker.preview import Foreseen, Preview
from worker.verdict import Path


def foreseen(world: World) -> list[Foreseen]:
    session: Any = world.server.session()
    preview = Preview(
        world.journal,
        account=ACCOUNT,
        layout=Layout(world.watched_folders, JUNK),
        classify=classify,
        routes=_Routes(),
        limits=Limits(message=5_000),
        since=None,
    )
    return list(preview.foresee(session))


def test_each_message_and_its_way() -> None:
    world = World()
    world.server.deliver(mail("retry"))
    world.tick()
    world.server.deliver(mail())
    world.server.deliver(mail(junk=True))
    world.server.deliver(mail(body=b"x" * 9_000))
    world.server.deliver(mail(), bodiless=True)
    world.server.deliver(mail(), headless=True)
    world.server.deliver(mail(), JUNK)
    before = ([folder.state for folder in world.server.folders.values()], world.rows(), list(world.calls))
    seen = foreseen(world)
    assert [(one.path, one.outcome.partition(":")[0]) for one in seen] == [
        (Path.CLEAN, "route 'all'"),
        (Path.CLEAN, "route 'all'"),
        (Path.JUNK, "route 'junk'"),
        (Path.CLEAN, "dead letter"),
        (Path.CLEAN, "nothing yet"),
        (Path.JUNK, "route 'junk'"),
    ]
    assert seen[0].key == world.rows()[0].key
    assert before == ([folder.state for folder in world.server.folders.values()], world.rows(), world.calls)


def test_what_is_done_is_not_foreseen_again() -> None:
    world = World(handled="keep")
    world.server.deliver(mail())
    world.drain()
    assert foreseen(world) == []
