"""Looks for messages in the opened folder: by the server's SEARCH, and among the newest without it.

SEARCH alone proves nothing: Exchange's misses messages, and answers `BADCHARSET` where a charset is named. So only
ASCII is sent, without a charset, and whoever asks also reads the headers of the newest messages.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from worker.mailbox.fetch_answers import MONTHS
from worker.mailbox.imap_connection import ImapConnection, refusable
from worker.mailbox.message_reader import arrival

AT_ONCE = 2_000
"""Messages whose dates are asked for at once."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the server is to search for. All of it must hold. Each text must be one that `can_be_searched`.

    sender, subject: parts of From and of Subject. either: parts of one of the two. message_id: part of Message-ID.
    since: received on this day or later. before: received before this day. The days are in the server's time zone.
    """

    sender: tuple[str, ...] = ()
    subject: tuple[str, ...] = ()
    either: tuple[str, ...] = ()
    message_id: str | None = None
    since: date | None = None
    before: date | None = None

    @property
    def anything(self) -> bool:
        """Whether there is anything to search for."""
        return self.any_text or self.since is not None or self.before is not None

    @property
    def any_text(self) -> bool:
        """Whether there is more than days."""
        return bool(self.sender or self.subject or self.either or self.message_id)

    def criteria(self) -> list[str]:
        """The criteria as SEARCH takes them (RFC 3501, 6.4.4)."""
        found = [f"FROM {_quoted(text)}" for text in self.sender]
        found += [f"SUBJECT {_quoted(text)}" for text in self.subject]
        found += [f"OR FROM {_quoted(text)} SUBJECT {_quoted(text)}" for text in self.either]
        if self.message_id:
            found.append(f"HEADER Message-ID {_quoted(self.message_id)}")
        if self.since is not None:
            found.append(f"SINCE {_day(self.since)}")
        if self.before is not None:
            found.append(f"BEFORE {_day(self.before)}")
        return found


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message's UID, and when the server received it (epoch s)."""

    uid: int
    received_at: float


def can_be_searched(text: str) -> bool:
    """Whether SEARCH takes this text without a charset, as a quoted string (RFC 3501, 9)."""
    return bool(text) and text.isascii() and text.isprintable()


class MessageSearcher:
    """Looks for messages on one connection."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection

    def search(self, terms: Terms) -> set[int]:
        """The UIDs that one SEARCH names; see `Session.search_for`."""
        client = self._connection.client
        with refusable(self._connection):
            return client.search_by(terms.criteria())

    def newest(self, count: int, messages: int) -> Iterator[Arrived]:
        """The newest messages and their dates, newest first; see `Session.newest`."""
        last, lowest = messages, max(messages - count, 0)
        while last > lowest:
            first = max(last - AT_ONCE, lowest) + 1
            numbers = f"{first}:{'*' if last == messages else last}"
            client = self._connection.client
            with refusable(self._connection):
                answer = client.fetch_by_number(numbers, ("UID", "INTERNALDATE"))
            for uid in sorted(answer, reverse=True):
                yield Arrived(uid, arrival(answer[uid].get(b"INTERNALDATE")))
            last = first - 1


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _day(day: date) -> str:
    """A day as IMAP writes it."""
    return f"{day.day:02}-{MONTHS[day.month - 1]}-{day.year:04}"
