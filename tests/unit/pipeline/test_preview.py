"""What a dry run foresees, and that it changes nothing."""

from typing import Any

from tests.fakes.mailbox import INBOX, JUNK, mail
from tests.fakes.world import ACCOUNT, Routes, World, classify
from worker.mailbox.folders import Layout
from worker.message.key import Fingerprints
from worker.message.mime.limits import Limits
from worker.message.outcome import State
from worker.message.verdict import MailPath
from worker.pipeline.preview import Foreseen, Preview


def foreseen(world: World) -> list[Foreseen]:
    session: Any = world.server.session()
    preview = Preview(
        messages=world.journal,
        poll=world.journal_parts().poll(Layout(world.watched_folders, JUNK), None),
        fingerprints=Fingerprints(ACCOUNT),
        layout=Layout(world.watched_folders, JUNK),
        classify=classify,
        routes=Routes(),
        limits=Limits(message=5_000),
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
        (MailPath.CLEAN, "route 'all'"),
        (MailPath.CLEAN, "route 'all'"),
        (MailPath.JUNK, "route 'junk'"),
        (MailPath.CLEAN, "dead letter"),
        (MailPath.CLEAN, "nothing yet"),
        (None, "nothing yet"),
        (MailPath.JUNK, "route 'junk'"),
    ]
    assert seen[0].key == world.rows()[0].key
    assert before == ([folder.state for folder in world.server.folders.values()], world.rows(), world.calls)


def test_what_is_done_is_not_foreseen_again() -> None:
    world = World(handled="keep")
    world.server.deliver(mail())
    world.drain()
    assert foreseen(world) == []


def test_a_message_without_a_header_is_shown_as_such() -> None:
    world = World()
    world.server.deliver(mail(), headless=True)
    known = world.server.deliver(mail("retry"))
    world.tick()
    known.headless = True
    assert [(one.key, one.path, one.outcome) for one in foreseen(world)] == [
        ("", None, "nothing yet: the server shows no header"),
        (world.rows()[0].key, MailPath.CLEAN, "nothing yet: the server shows no header"),
    ]


def test_a_stand_in_comes_to_no_route() -> None:
    world = World()
    raw = (
        mail()
        .replace(b"From: lab@lab.nhs.uk", b"From: Microsoft Exchange Server <server@nhs.net>")
        .replace(b"Subject: ", b"Subject: Retrieval using the IMAP4 protocol failed for the following message: 1")
        .replace(b"hello", b"The server couldn't retrieve the following message:")
    )
    world.server.deliver(raw)
    (one,) = foreseen(world)
    assert one.outcome == "nothing yet: the server shows a stand-in for it (retrieval-failed)"


def test_the_keys_are_those_that_a_drain_gives() -> None:
    world = World(handled="keep")
    world.server.deliver(mail(serial=1))
    world.drain()
    for _ in range(3):
        world.server.deliver(mail(serial=1))
        world.server.deliver(mail(serial=2))
    seen = [one.key for one in foreseen(world)]
    world.drain()
    assert sorted(seen) == sorted(row.key for row in world.rows()[1:])
    assert len({one.partition("-")[0] for one in seen}) == 2


def test_what_the_server_does_not_search_is_foreseen_too() -> None:
    world = World()
    world.server.deliver(mail(), unsearched=True)
    assert [one.outcome.partition(":")[0] for one in foreseen(world)] == ["route 'all'"]


def test_what_was_gone_and_is_back_has_its_key_again() -> None:
    world = World()
    sent = world.server.deliver(mail("retry"))
    world.tick()
    uid = next(iter(world.server.folders[INBOX].mails))
    world.server.folders[INBOX].take(uid)
    for _ in range(4):
        world.tick(60)
    (row,) = world.rows()
    assert row.state is State.GONE
    world.server.folders[INBOX].put(sent, uid)
    assert [(one.key, one.outcome.partition(":")[0]) for one in foreseen(world)] == [(row.key, "route 'all'")]
    world.server.folders[INBOX].take(uid)
    world.server.folders[INBOX].put(sent)
    assert [(one.key, one.outcome.partition(":")[0]) for one in foreseen(world)] == [(row.key, "route 'all'")]


def test_what_is_renumbered_is_known_again() -> None:
    world = World(handled="keep")
    world.server.deliver(mail())
    world.drain()
    world.server.deliver(mail("retry"))
    world.tick()
    world.server.renumber(INBOX)
    done, waiting = world.rows()
    assert [(one.key, one.outcome) for one in foreseen(world)] == [
        (done.key, "nothing more: handled before"),
        (waiting.key, "route 'all': archive, notify"),
    ]
