"""Which messages a route takes, asked of the present rules."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.mailbox import FAILED, INBOX, Server
from tests.unit.commands.world import record
from worker.commands.taken_by import TakenBy
from worker.journal.records import Place, Record
from worker.mailbox.errors import FolderRefused
from worker.message.verdict import MailPath, Verdict
from worker.settings import Settings, load

ROUTES = """
[account]
address = "pathology.results@nhs.net"
host = "mail.example"
password_file = "there-is-none"
[state]
dir = "never-made"
[limits]
message = "2kB"
header_bytes = "1kB"
[[route]]
name = "lab"
match = { from = "*@lab.example.org" }
handlers = ["archive"]
[[route]]
name = "documents"
match = { from = "*@surgery.example.org", attachment = "*.pdf" }
handlers = ["archive"]
[[route]]
name = "everything-else"
handlers = ["archive"]
"""
PDF = b'Content-Type: application/pdf\r\nContent-Disposition: attachment; filename="x.pdf"\r\n\r\nx\r\n'


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "worker.toml").write_text(ROUTES)
    return load(tmp_path / "worker.toml", {}, [])


class Mailed:
    """A mailbox with these messages in the inbox, and the commands that it was given."""

    def __init__(self, *raw: bytes) -> None:
        self.server = Server()
        for each in raw:
            self.server.deliver(each)
        self.commands: list[str] = []
        self.server.before = self.commands.append
        self.session: Any = self.server.session()

    def rows(self) -> list[Record]:
        validity = self.server.folders[INBOX].uidvalidity
        return [_row(uid, validity) for uid in self.server.folders[INBOX].mails]


def _row(uid: int, validity: int) -> Record:
    return replace(record(uid), verdict=Verdict(MailPath.CLEAN), place=Place(INBOX, validity, uid))


def letter(sender: str, part: bytes = b"Content-Type: text/plain\r\n\r\nhello\r\n") -> bytes:
    head = f"From: {sender}\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    return head.encode() + b"--b\r\n" + part + b"--b--\r\n"


def taken(settings: Settings, mailed: Mailed, route: str) -> list[int]:
    return [row.id for row in TakenBy(settings, route).of(mailed.session, mailed.rows())]


def test_rules_on_headers_read_headers_alone(settings: Settings) -> None:
    mailed = Mailed(letter("a@lab.example.org"), letter("b@other.example.org"), letter("c@lab.example.org"))
    assert taken(settings, mailed, "lab") == [1, 3]
    assert taken(settings, mailed, "everything-else") == [2]
    assert "bodies" not in mailed.commands


def test_a_whole_message_is_read_only_where_a_rule_depends_on_its_parts(settings: Settings) -> None:
    mailed = Mailed(letter("a@lab.example.org"), letter("b@surgery.example.org", PDF), letter("c@surgery.example.org"))
    assert taken(settings, mailed, "documents") == [2]
    assert taken(settings, mailed, "everything-else") == [3]
    assert mailed.commands.count("bodies") == 4


def test_what_can_t_be_read_no_route_takes(settings: Settings) -> None:
    large = letter("a@surgery.example.org", PDF + b"x" * 3_000 + b"\r\n")
    mailed = Mailed(large, letter("b@surgery.example.org", PDF), letter("c@surgery.example.org", PDF))
    mailed.server.all_mail(INBOX)[1].refused = True
    rows = mailed.rows()
    mailed.server.delete(mailed.server.all_mail(INBOX)[2])
    for route in ("documents", "everything-else"):
        assert TakenBy(settings, route).of(mailed.session, rows) == []


def test_of_a_folder_that_is_not_opened_now_nobody_knows_what_a_route_takes(settings: Settings) -> None:
    mailed = Mailed(letter("a@lab.example.org"))
    rows = mailed.rows()
    rows = [replace(row, place=replace(row.place, folder=FAILED)) for row in rows]
    mailed.server.closed[FAILED] = FolderRefused
    with pytest.raises(FolderRefused):
        TakenBy(settings, "lab").of(mailed.session, rows)
    del mailed.server.folders[FAILED]
    assert TakenBy(settings, "lab").of(mailed.session, rows) == []


def test_junk_has_a_route_of_its_own(settings: Settings) -> None:
    mailed = Mailed(letter("a@lab.example.org"))
    junk = record(7)
    for route, found in (("junk", [7]), ("lab", [1])):
        assert [row.id for row in TakenBy(settings, route).of(mailed.session, [*mailed.rows(), junk])] == found
    assert TakenBy(settings, "lab").routes == ("lab", "documents", "everything-else", "junk")
