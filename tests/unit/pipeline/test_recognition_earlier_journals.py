"""Journals that an earlier version wrote know no contents; nothing is handed over again because of that."""

from pathlib import Path

import pytest
from sqlalchemy import text

from tests.fakes.checks import Logged, assert_balanced, fields
from tests.fakes.journal import at_version
from tests.fakes.mailbox import ELSEWHERE, INBOX, PROCESSED, Server, mail
from tests.fakes.world import ACCOUNT, World
from worker.journal.database import Database
from worker.journal.migrate import migrate
from worker.message.key import Fingerprints, look_alike
from worker.message.mime.headers import Headers
from worker.message.outcome import State

COPIES = 3


@pytest.fixture
def server() -> Server:
    """A mailbox in which five messages were handled, three of which have the same headers."""
    server = Server()
    for body in (b"first\r\n", b"other\r\n", b"third\r\n"):
        server.deliver(mail(serial=71_000, body=body))
    for serial in (71_001, 71_002):
        server.deliver(mail(serial=serial))
    return server


def left_behind(server: Server, tmp_path: Path, folder: str) -> Database:
    """The journal of a version without contents, in which each message of the folder was handled and lies there."""
    database = at_version(Database(f"sqlite:///{tmp_path / 'journal.sqlite'}"), "0002")
    numbers: dict[str, int] = {}
    with database.write() as connection:
        for uid, one in server.folders[folder].mails.items():
            mark = Fingerprints(ACCOUNT).of(Headers.from_bytes(one.raw))
            numbers[mark] = numbers.get(mark, 0) + 1
            connection.execute(
                text(
                    "INSERT INTO message (key, fingerprint, state, path, folder, uidvalidity, uid, size, received_at,"
                    " first_seen_at, tries, deaths, missed, outcome_at, settle_to, settled_at, sender_listed)"
                    " VALUES (:key, :mark, 'handled', 'clean', :folder, :validity, :uid, :size, 1, 1, 1, 0, 0, 2,"
                    " :target, 2, false)"
                ),
                {
                    "key": look_alike(mark, numbers[mark]),
                    "mark": mark,
                    "folder": folder,
                    "validity": server.folders[folder].uidvalidity,
                    "uid": uid,
                    "size": len(one.raw),
                    "target": None if folder == INBOX else folder,
                },
            )
        connection.execute(
            text("INSERT INTO folder (name, uidvalidity, uidnext, seen) VALUES (:name, :validity, :next, '')"),
            {"name": INBOX, "validity": server.folders[INBOX].uidvalidity, "next": server.folders[INBOX].uidnext},
        )
    migrate(database)
    return database


@pytest.mark.parametrize("renumbered", [0, 1, 2])
def test_another_uidvalidity_hands_nothing_over_again(server: Server, tmp_path: Path, renumbered: int) -> None:
    world = World(server, handled="keep", database=left_behind(server, tmp_path, INBOX))
    for _ in range(renumbered):
        server.renumber(INBOX)
        for one in server.all_mail(INBOX):
            one.size = 12_345 + renumbered  # and all sizes are estimated anew
        world.tick()
    new = server.deliver(mail())
    world.drain()
    assert [call.raw for call in world.calls if call.handler == "archive"] == [new.raw]
    assert world.states() == {State.HANDLED: 6}
    assert_balanced(world, handled=6, missing=0)


def test_what_comes_back_is_settled_again_and_counted(server: Server, tmp_path: Path, logged: Logged) -> None:
    mails = server.all_mail(INBOX)
    for one in mails:
        server.move(one, PROCESSED)
    world = World(server, database=left_behind(server, tmp_path, PROCESSED))
    for one in mails[:COPIES]:
        server.move(one, INBOX)
    world.drain()
    assert world.calls == []
    assert world.told.known == COPIES
    assert fields(logged, "message.known_by_headers") == [{"count": COPIES, "folder": INBOX}]
    assert_balanced(world, handled=5, missing=0)

    server.move(mails[-1], ELSEWHERE)
    other = server.deliver(mail(serial=71_002, body=b"of another size\r\n"))
    world.drain()
    assert [call.raw for call in world.calls if call.handler == "archive"] == [other.raw]
    world.database.close()
