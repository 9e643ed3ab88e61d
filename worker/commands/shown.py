"""Reads messages from the mailbox for review, and makes them safe to print on a terminal.

Whatever a sender wrote becomes plain text: no control characters, no change of direction, nothing remote.
"""

import unicodedata
from collections.abc import Container, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice

from worker.journal.records import Record
from worker.logs.counted import counted
from worker.mailbox.bisection import shown_heads
from worker.mailbox.errors import CommandRefused, ProtocolFault
from worker.mailbox.folder_opening import select_if_there
from worker.mailbox.session import FolderState, Session
from worker.message.key import MessageKey
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits, MessageError
from worker.message.mime.words import readable
from worker.message.verdict import Evidence

LINE = 300
"""Characters shown of one line."""
PREVIEW_LINES = 60
AT_ONCE = 100
"""Messages whose headers are fetched with one command."""
SHOWN_TEXT = 20_000_000
"""Bytes of a text whose beginning is shown, even where handlers get only shorter ones."""
HEADERS = 100
ATTACHMENTS = 100

_UNSAFE = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
"""Unicode categories that don't print, or change how other characters print: control, format (bidi overrides), …"""
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol that look like spaces. With enough of them a sender could move words to where ours belong."""
_MARKS = frozenset({"Mn", "Me", "Mc"})
_MOST_MARKS = 4
"""Combining marks kept per character: real scripts need no more, and a hundred would cover the lines above."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in a list. sender, subject: safe to print; None if the message isn't where the journal says.

    known: its sender is a known one, so it may well be in junk by mistake. tries: how often it was tried.
    """

    key: str
    received_at: datetime
    sender: str | None
    subject: str | None
    reason: str
    known: bool = False
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """A message for review. Every text is safe to print."""

    key: str
    folder: str
    headers: tuple[tuple[str, str], ...]
    evidence: tuple[Evidence, ...]
    text: str
    attachments: tuple[tuple[str, str, int], ...]
    """File name, type detected from the content, size in bytes."""
    note: str = ""
    """What isn't shown, and why."""


TOO_LARGE = "Text and attachments can't be shown: the message is larger than `message` under `[limits]`."


class NotShown(Exception):
    """The message can't be read from the mailbox now. The text says why, and what to do."""


class NotThere(NotShown):
    """The message isn't where the journal says: somebody moved or deleted it."""


class Withheld(NotShown):
    """The server doesn't hand the message out, or not in a form that we can read."""


class Review:
    """Reads messages from the mailbox. Changes nothing, and doesn't mark them as read."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def listed(
        self,
        session: Session,
        records: Sequence[Record],
        *,
        known: Container[str] = (),
        sender: str | None = None,
        subject: str | None = None,
    ) -> Iterator[Listed]:
        """Yield each message with its sender and subject, in the order given. Headers are fetched as they are needed.

        known: keys of messages from known senders. sender: only messages with this in the sender's name or address.
        subject: only messages with this in the subject.

        Raises:
            CommandRefused: a folder isn't opened now, so nobody knows which of its messages have that in them.
        """
        sought = sender is not None or subject is not None
        for start in range(0, len(records), AT_ONCE):
            chunk = records[start : start + AT_ONCE]
            said = self._said(session, chunk, must_open=sought)
            for record in chunk:
                one = _listed(record, *said.get(record.id, (None, None)), known=record.key in known)
                if has_part(one.sender, sender) and has_part(one.subject, subject):
                    yield one

    def shown(self, session: Session, record: Record) -> Shown:
        """One message with headers, text and attachments, as far as they can be shown.

        Raises:
            NotThere, Withheld
        """
        raw, complete = self._raw(session, record)
        limits = replace(self._limits, text=max(self._limits.text, SHOWN_TEXT))
        message = Message(
            raw,
            key=MessageKey(record.key),
            folder=record.place.folder,
            received_at=datetime.fromtimestamp(record.received_at, UTC),
            verdict=record.verdict,
            limits=limits,
        )
        headers = message.headers
        pairs = tuple((plain(name), plain(readable(value))) for name, value in islice(headers, HEADERS))
        text, attachments, note = _content(message) if complete else ("", (), TOO_LARGE)
        if len(headers) > HEADERS:
            note = f"Not shown: {counted(len(headers) - HEADERS, 'more header')}. {note}".strip()
        return Shown(record.key, plain(record.place.folder), pairs, message.evidence, text, attachments, note)

    def _said(self, session: Session, records: Sequence[Record], *, must_open: bool) -> dict[int, tuple[str, str]]:
        """Sender and subject of each message, safe to print, by row id.

        must_open: whether it raises if a folder isn't opened now.
        """
        found: dict[int, tuple[str, str]] = {}
        for folder in dict.fromkeys(record.place.folder for record in records):
            try:
                state = select_if_there(session, folder)
            except CommandRefused:
                if must_open:
                    raise
                state = None
            if state is None:
                continue
            here: dict[int, Record] = {
                uid: record
                for record in records
                if record.place.folder == folder and (uid := record.place.uid_in(state)) is not None
            }
            with suppress(CommandRefused):  # what the server doesn't show is listed without sender and subject
                for head in shown_heads(session, list(here)):
                    headers = Headers.from_bytes(head.header)
                    found[here[head.uid].id] = (plain(headers.get("From") or ""), plain(headers.get("Subject") or ""))
        return found

    def _raw(self, session: Session, record: Record) -> tuple[bytes, bool]:
        """The message's bytes, and whether they are complete."""
        state = self._opened(session, record.place.folder)
        uid = None if state is None else record.place.uid_in(state)
        if uid is not None:
            try:
                for body in session.bodies([uid], cap=self._limits.message, expected=record.size):
                    return body.raw, body.complete
            except (CommandRefused, ProtocolFault) as error:
                raise Withheld(
                    f"The server doesn't return the message {record.key}: {error}. It is untouched in "
                    f"'{record.place.folder}'. Try again later. If that doesn't help, open it there in a mail "
                    "program."
                ) from error
        raise NotThere(
            f"The message {record.key} is no longer in '{record.place.folder}'. Somebody moved or deleted it, or the "
            "server has renumbered the folder. In that case the worker's next poll finds it. `nhsmail-worker "
            "reconcile` says what else is missing."
        )

    def _opened(self, session: Session, folder: str) -> FolderState | None:
        """Select a folder; None if it is gone."""
        try:
            return select_if_there(session, folder)
        except CommandRefused as refused:
            raise Withheld(f"{refused} The message is untouched there. Try again later.") from refused


def has_part(text: str | None, part: str | None) -> bool:
    """Whether a text contains this part, in upper or lower case. A text that isn't there contains none."""
    return part is None or (text is not None and part.casefold() in text.casefold())


def plain(text: str) -> str:
    """Make a text safe to print: one line, no control sequences, at most `LINE` characters."""
    safe = " ".join("".join(_printable(text[: 4 * LINE])).split())
    return safe if len(safe) <= LINE and len(text) <= 4 * LINE else safe[: LINE - 1] + "…"


def _printable(text: str) -> Iterator[str]:
    marks = 0
    for character in text:
        category = unicodedata.category(character)
        marks = marks + 1 if category in _MARKS else 0
        if marks <= _MOST_MARKS:
            yield " " if category in _UNSAFE or character in _BLANKS else character


def _listed(record: Record, sender: str | None, subject: str | None, *, known: bool) -> Listed:
    return Listed(
        key=record.key,
        received_at=datetime.fromtimestamp(record.received_at, UTC),
        sender=sender,
        subject=subject,
        reason=reason_of(record),
        known=known,
        tries=record.tries,
    )


def _content(message: Message) -> tuple[str, tuple[tuple[str, str, int], ...], str]:
    """Text, attachments, and a note on what isn't shown."""
    try:
        text = message.text or ""
        parts = message.attachments
        attachments = tuple(
            (plain(part.safe_filename), plain(part.detected_type), part.size) for part in parts[:ATTACHMENTS]
        )
    except MessageError as error:
        return "", (), f"Text and attachments can't be shown: {plain(str(error))}."
    lines = [plain(line) for line in text[: 4 * LINE * PREVIEW_LINES].splitlines()]
    shown = lines[:PREVIEW_LINES]
    if len(lines) > PREVIEW_LINES or len(text) > 4 * LINE * PREVIEW_LINES:
        shown.append("…")
    more = len(parts) - len(attachments)
    return "\n".join(shown), attachments, f"Not shown: {counted(more, 'more attachment')}." if more else ""


def reason_of(record: Record) -> str:
    """Why a message is in its list, safe to print: the reason that the journal holds, or else the evidence."""
    if record.reason:
        return plain(record.reason)
    evidence = record.verdict.evidence
    return plain(", ".join(dict.fromkeys(f"{piece.source} {piece.value}" for piece in evidence if piece.counts)))
