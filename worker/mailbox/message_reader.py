"""Reads the messages of the selected folder: their UIDs, headers and bytes. It never marks a message as read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from worker.mailbox import uid_sets
from worker.mailbox.fetch_answers import Items
from worker.mailbox.imap_client import text_of
from worker.mailbox.imap_connection import SMALL_ANSWER, ImapConnection
from worker.message.mime.headers import MAX_HEADER_BYTES

HEADER_CAP = MAX_HEADER_BYTES + 1
"""Bytes to fetch of a header: one more than we read, so that we can tell when it was cut."""
SHORT_HEADER = 64_000
"""Bytes of a header that is fetched together with others. A longer one is fetched by itself, so that memory holds one
of these at a time. Nearly all headers are shorter than 20 KB."""
HEADS_AT_ONCE = 100
"""Headers to fetch at once."""
LARGEST = 2**53
"""Cap for the size of a message: the server may report a number that the journal can't hold."""
LATEST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()
"""Cap for the time when a message was received, so that every time zone can show it."""
SEARCH_WINDOW = 100_000
"""UIDs that one SEARCH covers at most. The answer is a single line, and `LINE_CAP` bounds lines."""


@dataclass(frozen=True, slots=True)
class Head:
    """What we know of a message before its body is fetched.

    size: the server's estimate, in bytes. received_at: epoch seconds.
    """

    uid: int
    size: int
    received_at: float
    keywords: frozenset[str]
    header: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """A message's bytes. `complete` is false if the message is longer than the given cap."""

    uid: int
    raw: bytes
    complete: bool


class MessageReader:
    """Runs SEARCH and FETCH on one connection."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection

    def search(self, *, uidnext: int, since: date | None = None) -> set[int]:
        """All UIDs, by SEARCH; with `since`, those of mail received on that day or later, in the server's time zone."""
        client, found = self._connection.client, set[int]()
        with self._connection.translated():
            for first in range(1, max(uidnext, 2), SEARCH_WINDOW):
                last = first + SEARCH_WINDOW - 1
                window = f"{first}:{last if last < uidnext - 1 else '*'}"
                criteria: list[object] = ["UID", window]
                if since is not None:
                    criteria += ["SINCE", since]
                # `n:*` always names the last message, even where its UID is below n (RFC 3501, 6.4.8)
                found.update(uid for uid in client.search(criteria) if uid >= first)
        return found

    def fetch_uids(self, *, since: date | None = None) -> set[int]:
        """All UIDs, by FETCH, which is slower than SEARCH but shows messages that SEARCH misses."""
        client = self._connection.client
        answer = self._connection.on_those_left(lambda: client.fetch_by_uid("1:*", ("INTERNALDATE",)))
        return {uid for uid, items in answer.items() if b"INTERNALDATE" in items and _is_since(items, since)}

    def present(self, wanted: Iterable[int]) -> set[int]:
        """Which of these UIDs exist now: those that SEARCH or FETCH shows, since either may miss some."""
        client, found = self._connection.client, set[int]()
        for chunk in uid_sets.chunks(wanted):
            with self._connection.translated():
                shown = set(client.search(["UID", uid_sets.compress(chunk)])) & set(chunk)
            if missed := set(chunk) - shown:
                answer = self._fetch(sorted(missed), ("INTERNALDATE",), cap=SMALL_ANSWER)
                shown |= {uid for uid in missed if b"INTERNALDATE" in answer.get(uid, {})}
            found |= shown
        return found

    def heads(self, wanted: Iterable[int]) -> Iterator[Head]:
        """Fetch size, date, flags and header, in the order of the UIDs; see `Session.heads`."""
        for chunk in uid_sets.chunks(wanted, HEADS_AT_ONCE):
            answer = self._answered(chunk, SHORT_HEADER + 1)
            for uid in chunk:
                head = _head(uid, answer.pop(uid, {}))
                if head is not None and len(head.header) > SHORT_HEADER:
                    head = _head(uid, self._answered([uid], HEADER_CAP).get(uid, {}))
                if head is not None:
                    yield head

    def _answered(self, uids: Sequence[int], most: int) -> dict[int, Items]:
        """What the server says of these messages, with the first bytes of each header, `most` at most."""
        items = ("RFC822.SIZE", "INTERNALDATE", "FLAGS", f"BODY.PEEK[HEADER]<0.{most}>")
        return self._fetch(uids, items, cap=SMALL_ANSWER + len(uids) * most)

    def bodies(self, wanted: Sequence[int], *, cap: int, expected: int) -> Iterator[Body]:
        """Fetch messages in one command; see `Session.bodies`."""
        if not wanted:
            return
        answer = self._fetch(
            wanted, (f"BODY.PEEK[]<0.{cap + 1}>",), cap=min(len(wanted) * (cap + 1), 4 * expected + cap) + SMALL_ANSWER
        )
        for uid in sorted(answer):
            raw = answer.pop(uid).get(b"BODY[]<0>")
            if uid in wanted and isinstance(raw, bytes) and raw:
                yield Body(uid, raw[:cap] if len(raw) > cap else raw, complete=len(raw) <= cap)

    def _fetch(self, wanted: Sequence[int], items: Sequence[str], *, cap: int) -> dict[int, Items]:
        client = self._connection.client

        def fetch() -> dict[int, Items]:
            with client.literals_up_to(cap):
                return client.fetch_by_uid(",".join(map(str, wanted)), items)

        return self._connection.on_those_left(fetch)


def _head(uid: int, items: Items) -> Head | None:
    header = items.get(b"BODY[HEADER]<0>")
    size, received = items.get(b"RFC822.SIZE"), items.get(b"INTERNALDATE")
    if not isinstance(header, bytes) or not header.strip() or not isinstance(size, int):
        return None
    flags = items.get(b"FLAGS")
    keywords = frozenset(text_of(flag) for flag in flags) if isinstance(flags, tuple) else frozenset[str]()
    return Head(uid, min(size, LARGEST), arrival(received), keywords, header)


def arrival(received: object) -> float:
    """An INTERNALDATE in epoch seconds, capped because servers may report the years 1 and 9999."""
    return min(max(received.timestamp(), 0.0), LATEST) if isinstance(received, datetime) else 0.0


def _is_since(items: Items, since: date | None) -> bool:
    received = items.get(b"INTERNALDATE")
    return since is None or not isinstance(received, datetime) or received.date() >= since
