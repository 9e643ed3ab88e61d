"""A fetch with a journal and a mailbox, and what it hands to the pool."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from tests.fakes.journal import with_tables
from tests.fakes.mailbox import INBOX, JUNK, FakeSession, Mail, Server, mail
from tests.fakes.world import classify
from worker.handling.content_check import Doubt
from worker.journal.database import Database
from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import NewMessage, Place, Record
from worker.journal.tries import Tries
from worker.mailbox.folders import Layout
from worker.message.key import Fingerprints
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits
from worker.message.outcome import Outcome
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.admit import Top
from worker.pipeline.fetch import Fetch
from worker.pipeline.fetched import Missing
from worker.pipeline.known_senders import Sender
from worker.pipeline.late_content import LateContent
from worker.pipeline.whereabouts import Whereabouts

LIMIT, DEATHS, TEXT = 2_000, 3, 500
REPORTS = "Reports"


@dataclass(frozen=True)
class Taken:
    """What the pool was given."""

    record: Record
    message: Message
    done: set[str]
    doubt: Doubt | None
    headers_alone: bool


class Hands:
    """Notes what it is given, and keeps it in hand."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.finished: list[tuple[Record, Outcome]] = []

    def __contains__(self, row: int) -> bool:
        return row in {item.record.id for item in self.taken} | {record.id for record, _ in self.finished}

    def take(
        self,
        record: Record,
        message: Message,
        already_done: Collection[str],
        *,
        doubt: Doubt | None = None,
        headers_alone: bool = False,
    ) -> None:
        self.taken.append(Taken(record, message, set(already_done), doubt, headers_alone))

    def finish(self, record: Record, outcome: Outcome) -> None:
        self.finished.append((record, outcome))


class Bench:
    """A fetch with a journal and a mailbox. `INBOX` and the junk folder are watched, `REPORTS` isn't."""

    def __init__(self, *, junk_by_headers: bool = False) -> None:
        database = with_tables(Database("sqlite://"))
        self.messages = Messages(database)
        self.tries = Tries(database)
        self.places = Places(database)
        self.fingerprints = Fingerprints("results@nhs.net")
        self.server = Server(folders=[REPORTS])
        self.commands: list[str] = []
        self.server.before = self.commands.append
        self.session = FakeSession(self.server)
        self.hands = Hands()
        layout = Layout((INBOX,), JUNK)
        self.fetch = Fetch(
            messages=self.messages,
            tries=self.tries,
            places=self.places,
            whereabouts=Whereabouts(self.messages, self.places, self.fingerprints),
            fingerprints=self.fingerprints,
            late_content=LateContent(
                messages=self.messages,
                fingerprints=self.fingerprints,
                layout=layout,
                classify=classify,
                sender_of=lambda _headers: Sender(),
            ),
            pool=cast("Any", self.hands),
            layout=layout,
            limits=Limits(message=LIMIT, text=TEXT),
            deaths=DEATHS,
            junk_by_headers=junk_by_headers,
            handlers={MailPath.CLEAN: ("archive", "notify"), MailPath.JUNK: ("quarantine",)},
            run="run-1",
        )

    def add(
        self, raw: bytes | None = None, *, folder: str = INBOX, path: MailPath = MailPath.CLEAN, **quirks: Any
    ) -> tuple[Mail, Record]:
        """A message that lies in the folder, and its row."""
        raw = raw or mail()
        one = self.server.deliver(raw, folder, **quirks)
        box = self.server.folders[folder]
        place = Place(folder, box.uidvalidity, box.uidnext - 1)
        mark = self.fingerprints.of_block(block(raw))
        size = len(raw) if one.size is None else one.size
        (record,) = self.messages.add([NewMessage(mark, place, size, one.received_at, Verdict(path))], 1.0)
        return one, record

    def __call__(
        self, batch: Sequence[Record], tops: dict[int, Top] | None = None, *, select: bool = True, **given: Any
    ) -> Missing:
        """Fetch these. select: whether their folder is the selected one."""
        if select:
            self.session.select(batch[0].place.folder)
            self.commands.clear()
        return self.fetch(cast("Any", self.session), batch, {} if tops is None else tops, **given)

    def row(self, record: Record) -> Record:
        """The row as it is now."""
        return next(row for row in self.messages.everything() if row.id == record.id)


def block(raw: bytes) -> bytes:
    """The header block of a message."""
    return raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def top_of(one: Mail) -> Top:
    """A message's header block, as it was read before."""
    return Top(block(one.raw), Headers.from_bytes(one.raw))


def late(record: Record, reason: str | None = None) -> Record:
    """The row of a message that wasn't shown at an earlier try. reason: what that try came to."""
    return replace(record, waiting_since=5.0, reason=reason)
