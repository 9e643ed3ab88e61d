"""One message in the junk folder, as it is read for people."""

from typing import Any

from tests.fakes.mailbox import JUNK, Server
from worker.commands.shown import Review, Shown
from worker.journal.records import Place, Record
from worker.message.mime.limits import Limits
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict

HEAD = b"From: x@evil.example\r\nSubject: s\r\nMIME-Version: 1.0\r\n"
EVIDENCE = (Evidence("placement", None, "junk-folder", "it lies in the junk folder", counts=True),)


def record(uid: int, *, number: int = 0, validity: int | None = None, server: Server | None = None) -> Record:
    uidvalidity = server.folders[JUNK].uidvalidity if server is not None else validity or 0
    return Record(
        id=number or uid,
        key=f"k{number or uid}",
        fingerprint=f"k{uid}",
        state=State.JUNK,
        verdict=Verdict(MailPath.JUNK, EVIDENCE),
        place=Place(JUNK, uidvalidity, uid),
        size=1,
        received_at=1_700_000_000.0,
        first_seen_at=0.0,
        tries=1,
        deaths=0,
        in_hand=None,
        next_at=None,
        settle_to=None,
        settled=True,
        missed=0,
        released=False,
    )


def shown(raw: bytes, limits: Limits | None = None) -> Shown:
    server = Server()
    server.deliver(raw, JUNK)
    session: Any = server.session()
    return Review(limits or Limits()).shown(session, record(1, server=server))
