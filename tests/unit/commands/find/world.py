"""A mailbox in memory, and a command of a worker whose journal knows some of its messages."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.fakes.mailbox import JUNK, Mail, Server
from tests.unit.commands.configured import ADDRESS, configured
from worker.commands.context import Context
from worker.commands.find.criteria import Criteria
from worker.commands.find.finding import find
from worker.commands.find.folder_search import Bounds
from worker.commands.find.found_messages import Findings, Found
from worker.commands.wiring.from_settings import senders_of
from worker.journal.records import NewMessage, Place, Record, Result
from worker.message.key import Fingerprints
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict

CLEAN = Verdict(MailPath.CLEAN)
IN_JUNK = Verdict(
    MailPath.JUNK, (Evidence("placement", None, "junk-folder", "it lies in the junk folder", counts=True),)
)
SENDER = "y@gp.example.org"


class InMemory(Context):
    """Logs in to a server in memory."""

    server: Server

    @contextmanager
    def visit(self) -> Iterator[Any]:
        with self.opened():
            self.parts.layout.found_junk(JUNK)
            yield self.server.session(), None


class Scene:
    """The mailbox, the journal, and what a person asks."""

    def __init__(self, folder: Path) -> None:
        self.server = Server()
        self.context = InMemory(configured(folder).settings)
        self.context.server = self.server
        with self.context.opened():
            self.journal = self.context.parts.journal

    def close(self) -> None:
        self.context.parts.close()

    def handled(
        self, mail: Mail, *, state: State = State.HANDLED, known_uid: bool = True, sender: bool = True
    ) -> Record:
        """Enter a message as done where it lies."""
        place = self.server.find(mail)
        assert place is not None
        folder, uid = place
        headers = Headers.from_bytes(mail.raw)
        validity = self.server.folders[folder].uidvalidity
        new = NewMessage(
            Fingerprints(ADDRESS).of(headers),
            Place(folder, validity if known_uid else 0, uid if known_uid else None),
            len(mail.raw),
            mail.received_at,
            IN_JUNK if folder == JUNK else CLEAN,
            sender=senders_of(self.context.settings)(headers).mark if sender else None,
        )
        (row,) = self.journal.messages.add([new], mail.received_at)
        if state is not State.PENDING:
            self.journal.tries.record([Result(row.id, state, done=("archive",))], 1_700_000_060.0)
        (record,) = self.journal.messages.with_keys([row.key])
        return record

    def ask(self, criteria: Criteria, *, limit: int = 20, look: int = 50, all_folders: bool = False) -> Findings:
        return find(self.context, criteria, Bounds(limit, look), all_folders=all_folders)

    def one(self, criteria: Criteria, **options: Any) -> Found:
        (found,) = self.ask(criteria, **options).found
        return found


def letter(subject: str, sender: str = f"Dr Y <{SENDER}>") -> bytes:
    at = datetime(2026, 1, 5, tzinfo=UTC)
    head = f"Received: from a by b; {at:%d %b %Y} 10:00:00 +0000\r\nFrom: {sender}\r\nSubject: {subject}\r\n"
    return f"{head}Message-ID: <{subject.replace(' ', '.')}@x>\r\n\r\nbody\r\n".encode()
