"""What a person looks for, compared with the headers of a message as people read them. Pure: no I/O."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Final

from worker.mailbox.message_searcher import Terms, can_be_searched
from worker.message.mime.addresses import addresses
from worker.message.mime.headers import Headers

ALWAYS: Final = float("inf")
DAY, WESTERNMOST, EASTERNMOST = 86_400.0, -12 * 3600.0, 14 * 3600.0
"""Seconds of a day, and how far time zones are from UTC."""
SHORTEST_PART: Final = 3
"""Characters of an ASCII part of a text that the server is asked for. Shorter ones are in nearly every message."""
_ADDRESS = re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+")
_ASCII_PART = re.compile(r"[ -~]+")
_FIRST, _LAST = datetime(1970, 1, 2, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """When a message was received: at or after `since`, and before `until` (epoch s)."""

    since: float = -ALWAYS
    until: float = ALWAYS

    @property
    def is_open(self) -> bool:
        """Whether any time is in it."""
        return self == Window()

    def holds(self, at: float) -> bool:
        return self.since <= at < self.until

    def within(self, other: "Window") -> "Window":
        """What is in both."""
        return Window(max(self.since, other.since), min(self.until, other.until))

    @property
    def first_day(self) -> date | None:
        """The first day that SEARCH is asked for: in whatever time zone the server has its days."""
        return None if self.since == -ALWAYS else _day(self.since + WESTERNMOST)

    @property
    def day_after(self) -> date | None:
        """The day after the last one that SEARCH is asked for, likewise."""
        return None if self.until == ALWAYS else _day(self.until + EASTERNMOST + DAY)


@dataclass(frozen=True, slots=True)
class Criteria:
    """What is looked for. All of it must hold.

    either: part of the sender or of the subject. sender: part of the sender's name or address. key: the beginning of a
    key, in lower case.
    """

    either: str = ""
    sender: str = ""
    subject: str = ""
    message_id: str = ""
    key: str = ""
    window: Window = Window()

    @property
    def names(self) -> str:
        """Which criteria there are, without their values, for the audit trail."""
        given = {
            "text": self.either,
            "from": self.sender,
            "subject": self.subject,
            "message-id": self.message_id,
            "key": self.key,
            "since": self.window.since != -ALWAYS,
            "until": self.window.until != ALWAYS,
        }
        return "+".join(name for name, value in given.items() if value)

    @property
    def address(self) -> str | None:
        """The sender's whole address, where one is given."""
        return self.sender if _ADDRESS.fullmatch(self.sender) else None

    @property
    def has_text(self) -> bool:
        """Whether headers must be read to tell."""
        return bool(self.either or self.sender or self.subject or self.message_id)

    def received_within(self, window: Window) -> "Criteria":
        """The same, and received in this time."""
        return replace(self, window=self.window.within(window))

    def terms(self) -> Terms:
        """What the server is asked for. It may name more messages than these, so the headers decide.

        Of a text that isn't ASCII only ASCII parts can be asked for. Where days are given, these alone narrow the
        search well, and no part is asked for: a server that searches by words wouldn't find a part of one.
        """
        return Terms(
            sender=tuple(self._parts(self.sender)),
            subject=tuple(self._parts(self.subject)),
            either=tuple(self._parts(self.either)),
            message_id=bare_id(self.message_id) if can_be_searched(bare_id(self.message_id)) else None,
            since=self.window.first_day,
            before=self.window.day_after,
        )

    def _parts(self, text: str) -> Iterator[str]:
        text = " ".join(text.split())
        if can_be_searched(text):
            yield text
        elif self.window.is_open:
            parts = (part.strip() for part in _ASCII_PART.findall(text))
            yield from (part for part in parts if len(part) >= SHORTEST_PART)

    def matches(self, headers: Headers) -> bool:
        """Whether the headers have the texts. Large and small letters are the same, and so are forms of a letter."""
        return (
            (not self.sender or _in(self.sender, _senders(headers)))
            and (not self.subject or _in(self.subject, _subjects(headers)))
            and (not self.either or _in(self.either, [*_senders(headers), *_subjects(headers)]))
            and (not self.message_id or _in(bare_id(self.message_id), headers.get_all("Message-ID")))
        )


def bare_id(message_id: str) -> str:
    """A Message-ID without its brackets and spaces, as people copy it with or without them."""
    return message_id.strip().removeprefix("<").removesuffix(">").strip()


def _senders(headers: Headers) -> list[str]:
    """The senders as written, and as a mail program shows them. Sender counts where there is no From."""
    name = "From" if headers.raw("From") else "Sender"
    shown = [f"{one.name} {one} {one.name} <{one}>" for one in addresses(headers.raw(name))]
    return [*headers.get_all(name), *shown]


def _subjects(headers: Headers) -> list[str]:
    return headers.get_all("Subject")


def _in(wanted: str, texts: list[str]) -> bool:
    folded = _folded(wanted)
    return any(folded in _folded(text) for text in texts)


def _folded(text: str) -> str:
    """The text in one form and case, with single spaces."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.encode("utf-8", "replace").decode())
    return " ".join(text.casefold().split())


def _day(at: float) -> date:
    """The day of a time (UTC), within what every server understands."""
    bounded = min(max(at, _FIRST.timestamp()), _LAST.timestamp())
    return datetime.fromtimestamp(bounded, UTC).date()
