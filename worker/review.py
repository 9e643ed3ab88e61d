"""Review by people: the junk path and the dead letters, read from the mailbox at this moment, fit for a terminal.

Whatever a sender wrote is printed as plain text: no control character, no change of direction, nothing remote.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.headers import Headers
from worker.journal.messages import Messages, Record
from worker.key import MessageKey
from worker.mailbox.errors import CommandRefused
from worker.mailbox.session import Session
from worker.message import Limits, Message, MessageError
from worker.verdict import Evidence, Path, Verdict

LINE = 300
"""Characters of one line that are shown."""
PREVIEW_LINES = 60
HEADERS = 100
ATTACHMENTS = 100

_UNSAFE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Unicode categories that don't print, or that change how others do: control, format (bidi overrides), private, …"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in a list. sender, subject: safe to print; None where it isn't in its place any more."""

    key: str
    received_at: datetime
    sender: str | None
    subject: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A message for a person, every text safe to print."""

    key: str
    folder: str
    headers: tuple[tuple[str, str], ...]
    evidence: tuple[Evidence, ...]
    text: str
    attachments: tuple[tuple[str, str, int], ...]
    """Name, type as its bytes say, bytes."""


class NotThere(Exception):
    """The message isn't where the journal says: somebody has moved or deleted it."""


class Review:
    """Reads messages for people. Changes nothing, marks nothing as read."""

    def __init__(self, messages: Messages, limits: Limits) -> None:
        self._messages = messages
        self._limits = limits

    def listed(self, session: Session, records: Sequence[Record]) -> Iterator[Listed]:
        """Each message with its sender and subject, in the order given."""
        tops = self._tops(session, records)
        for record in records:
            headers = tops.get(record.id)
            yield Listed(
                key=record.key,
                received_at=datetime.fromtimestamp(record.received_at, UTC),
                sender=None if headers is None else plain(headers.get("From") or ""),
                subject=None if headers is None else plain(headers.get("Subject") or ""),
                reason=_reason(record),
            )

    def shown(self, session: Session, record: Record) -> Shown:
        """One message whole, as far as it can be shown.

        Raises:
            NotThere
        """
        raw = self._raw(session, record)
        message = Message(
            raw,
            key=MessageKey(record.key),
            folder=record.place.folder,
            received_at=datetime.fromtimestamp(record.received_at, UTC),
            verdict=record.verdict or Verdict(Path.CLEAN),
            limits=self._limits,
        )
        pairs = [(plain(name), plain(value)) for name, value in list(message.headers)[:HEADERS]]
        text, attachments = _content(message)
        return Shown(record.key, record.place.folder, tuple(pairs), message.evidence, text, attachments)

    def _tops(self, session: Session, records: Sequence[Record]) -> dict[int, Headers]:
        found: dict[int, Headers] = {}
        for folder in dict.fromkeys(record.place.folder for record in records):
            try:
                state = session.select(folder)
            except CommandRefused:
                continue
            here: dict[int, Record] = {
                record.place.uid: record
                for record in records
                if record.place.folder == folder
                and record.place.uidvalidity == state.uidvalidity
                and record.place.uid is not None
            }
            for head in session.heads(here):
                found[here[head.uid].id] = Headers.from_bytes(head.header)
        return found

    def _raw(self, session: Session, record: Record) -> bytes:
        try:
            state = session.select(record.place.folder)
        except CommandRefused:
            state = None
        if state is not None and state.uidvalidity == record.place.uidvalidity and record.place.uid is not None:
            for body in session.bodies([record.place.uid], cap=self._limits.message, expected=record.size):
                return body.raw
        raise NotThere(
            f"The message {record.key} isn't in '{record.place.folder}' any more: somebody has moved or deleted it. "
            "`nhsmail-worker reconcile` says what else is missing."
        )


def plain(text: str) -> str:
    """One line of text that can be printed on any terminal, and says nothing to it."""
    safe = "".join(" " if unicodedata.category(character) in _UNSAFE else character for character in text[: 4 * LINE])
    safe = " ".join(safe.split())
    return safe if len(safe) <= LINE else safe[: LINE - 1] + "…"


def _content(message: Message) -> tuple[str, tuple[tuple[str, str, int], ...]]:
    try:
        text = message.text or ""
        parts = message.attachments[:ATTACHMENTS]
        attachments = tuple((plain(part.safe_filename), plain(part.detected_type), part.size) for part in parts)
    except MessageError as error:
        return f"(can't be shown: {plain(str(error))})", ()
    lines = [plain(line) for line in text[: 4 * LINE * PREVIEW_LINES].splitlines()]
    shown = lines[:PREVIEW_LINES]
    if len(lines) > PREVIEW_LINES:
        shown.append("…")
    return "\n".join(shown), attachments


def _reason(record: Record) -> str:
    if record.reason:
        return record.reason
    evidence = () if record.verdict is None else record.verdict.evidence
    return ", ".join(dict.fromkeys(f"{piece.source} {piece.value}" for piece in evidence if piece.counts))
