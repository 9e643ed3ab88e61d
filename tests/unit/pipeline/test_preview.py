"""What a dry run foresees, and that it changes nothing."""

from typing import Any

import pytest

from tests.fakes.mailbox import INBOX, JUNK, mail
from tests.fakes.world import ACCOUNT, Routes, World, classify
from worker.journal.schema import message as message_table
from worker.mailbox.folders import Layout
from worker.message.key import Fingerprints, fingerprint
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits
from worker.message.outcome import State
from worker.message.verdict import MailPath
from worker.pipeline.preview import Foreseen, Preview


def foreseen(world: World) -> list[Foreseen]:
    session: Any = world.server.session()
    preview = Preview(
        messages=world.journal,
        poll=world.journal_parts().poll(Layout(world.watched_folders, JUNK), None),
        whereabouts=world.journal_parts().whereabouts,
        fingerprints=Fingerprints(ACCOUNT),
        marks=world.marks,
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


def test_what_comes_back_is_known_by_its_content() -> None:
    world = World()
    first = world.server.deliver(mail(serial=72_000, body=b"first\r\n"))
    world.drain()
    world.server.move(first, INBOX)
    world.server.deliver(mail(serial=72_000, body=b"other\r\n"))
    (row,) = world.rows()
    before = world.rows()
    seen = {one.key: one.outcome for one in foreseen(world)}
    assert seen == {row.key: "nothing more: handled before", f"{row.key}-2": "route 'all': archive, notify"}
    assert world.rows() == before


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


def test_what_is_taken_away_during_the_look_is_not_foreseen() -> None:
    world = World()
    taken, hidden = world.server.deliver(mail()), world.server.deliver(mail(), headless=True)

    def take(name: str) -> None:
        if name == "heads" and world.server.find(taken) is not None:
            world.server.delete(taken)

    world.server.before = take
    assert [one.outcome for one in foreseen(world)] == ["nothing yet: the server shows no header"]
    assert world.server.find(hidden) is not None


def test_in_a_renumbered_folder_each_pending_message_keeps_its_own_key() -> None:
    """Another message has the number that it had."""
    world = World()
    mails = [world.server.deliver(mail("retry")) for _ in range(4)]
    world.tick()
    before = dict(world.server.folders[INBOX].mails)
    world.server.renumber(INBOX)
    now = world.server.folders[INBOX].mails
    assert [one.raw for one in before.values()] != [one.raw for one in now.values()]
    assert sorted(one.raw for one in mails) == sorted(one.raw for one in now.values())
    keys = [fingerprint(ACCOUNT, Headers.from_bytes(one.raw)) for _, one in sorted(now.items())]
    assert [one.key for one in foreseen(world)] == keys


@pytest.mark.parametrize("same", ["size", "date"])
def test_of_two_like_it_a_message_is_the_one_of_its_size_and_else_of_its_date(same: str) -> None:
    """One of them was handled, and nobody knows the content of either."""
    world = World()
    sizes, dates = ((300, 500), (1.0, 1.0)) if same == "size" else ((300, 300), (1.0, 2.0))
    raw = mail("ok")
    mails = [world.server.deliver(raw, size=size, received_at=date) for size, date in zip(sizes, dates, strict=True)]
    world.drain()
    first, second = world.rows()
    with world.database.write() as connection:
        connection.execute(message_table.update().values(content=None, doubtful=False))
    for one in mails:
        world.server.delete(one)
    world.server.deliver(raw, size=sizes[1], received_at=dates[1])
    assert [(one.key, one.outcome) for one in foreseen(world)] == [(second.key, "nothing more: handled before")]
    assert first.key != second.key


@pytest.mark.parametrize("same", [True, False])
def test_junk_of_which_only_the_headers_were_read_is_known_by_all_of_them(same: bool) -> None:
    world = World()
    world.headers_only = True
    world.start()
    raw = mail(junk=True)
    one = world.server.deliver(raw)
    world.drain()
    (row,) = world.rows()
    world.server.delete(one)
    world.server.deliver(raw if same else raw.replace(b"Subject: ", b"X-Other: 1\r\nSubject: "))
    assert [seen.key for seen in foreseen(world)] == [row.key if same else f"{row.key}-2"]


def test_mail_that_comes_back_is_known_by_its_content_and_each_only_once() -> None:
    """Whatever else has its headers."""
    world = World()
    raws = [mail(serial=9_001, body=body) for body in (b"one\r\n", b"two\r\n")]
    mails = [world.server.deliver(raw) for raw in raws]
    world.drain()
    first, second = world.rows()
    for one in mails:
        world.server.delete(one)
    for raw in (raws[1], raws[1], raws[0], mail(serial=9_001, body=b"new\r\n")):
        world.server.deliver(raw)
    seen = foreseen(world)
    handled = "nothing more: handled before"
    assert [one.outcome == handled for one in seen] == [True, False, True, False]
    assert [one.key for one in seen] == [second.key, f"{first.key}-3", first.key, f"{first.key}-4"]
