"""Reading the messages of the selected folder: which there are, their headers, their bytes. Marks nothing as read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from worker.mailbox import uid_sets
from worker.mailbox.imap_client import text_of
from worker.mailbox.imap_connection import SMALL_ANSWER, ImapConnection
from worker.message.mime.headers import MAX_HEADER_BYTES

HEADER_CAP = MAX_HEADER_BYTES + 1
"""Bytes of a header that are fetched: one more than are read, so that what is cut is known to be."""
HEADS_AT_ONCE = 100
"""Headers that are asked for, and held, at once: read, those of 256 KB that Exchange lets pass take 1.5 MB each."""
LARGEST = 2**53
"""No message is larger; a journal can't hold every number that a server may say."""
LATEST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()
"""No message was received later."""
SEARCH_WINDOW = 100_000
"""UIDs a SEARCH at most, so that one line of answer stays readable."""


@dataclass(frozen=True, slots=True)
class Head:
    """A message as it looks before its body is fetched. size: bytes, the server's estimate; received_at: epoch s."""

    uid: int
    size: int
    received_at: float
    keywords: frozenset[str]
    header: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """A message's bytes. complete is false where the message is longer than the cap that was given."""

    uid: int
    raw: bytes
    complete: bool


class MessageReader:
    """SEARCH and FETCH on the selected folder."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection

    def search(self, *, uidnext: int, since: date | None = None) -> set[int]:
        """The UIDs in the selected folder; with `since`, of mail received on that day or later (server's time zone)."""
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
        """The UIDs in the selected folder as FETCH shows them: slower than SEARCH, and it shows what SEARCH misses."""
        client = self._connection.client
        answer = self._connection.on_those_left(lambda: client.fetch_all(("INTERNALDATE",)))
        return {uid for uid, items in answer.items() if b"INTERNALDATE" in items and _is_since(items, since)}

    def present(self, wanted: Iterable[int]) -> set[int]:
        """Which of these UIDs are in the selected folder now: what SEARCH shows, or FETCH, as each may miss some."""
        client, found = self._connection.client, set[int]()
        for chunk in uid_sets.chunks(wanted):
            with self._connection.translated():
                shown = set(client.search(["UID", uid_sets.compress(chunk)])) & set(chunk)
            if missed := set(chunk) - shown:
                answer = self._fetch(sorted(missed), ("INTERNALDATE",), cap=SMALL_ANSWER)
                shown |= {uid for uid in missed if b"INTERNALDATE" in answer.get(uid, {})}
            found |= shown
        return found

    def heads(self, wanted: Iterable[int]) -> list[Head]:
        """Size, date, flags and header of messages; those that the server doesn't show are left out."""
        items = ("RFC822.SIZE", "INTERNALDATE", "FLAGS", f"BODY.PEEK[HEADER]<0.{HEADER_CAP}>")
        heads: list[Head] = []
        for chunk in uid_sets.chunks(wanted, HEADS_AT_ONCE):
            answer = self._fetch(chunk, items, cap=SMALL_ANSWER + len(chunk) * HEADER_CAP)
            for uid in chunk:
                head = _head(uid, answer.get(uid, {}))
                if head is not None:
                    heads.append(head)
        return heads

    def bodies(self, wanted: Sequence[int], *, cap: int, expected: int) -> Iterator[Body]:
        """Messages in one command, marked as nothing (PEEK); those that the server doesn't show are left out.

        cap: bytes of one message that are asked for at most. expected: bytes that these messages should come to, by
        the server's estimate; an answer far beyond it ends the connection instead of the process's memory.
        """
        if not wanted:
            return
        answer = self._fetch(
            wanted, (f"BODY.PEEK[]<0.{cap + 1}>",), cap=min(len(wanted) * (cap + 1), 4 * expected + cap) + SMALL_ANSWER
        )
        for uid in sorted(answer):
            raw = answer.pop(uid).get(b"BODY[]<0>")
            if uid in wanted and isinstance(raw, bytes) and raw:
                yield Body(uid, raw[:cap] if len(raw) > cap else raw, complete=len(raw) <= cap)

    def _fetch(self, wanted: Sequence[int], items: Sequence[str], *, cap: int) -> dict[int, dict[bytes, object]]:
        client = self._connection.client

        def fetch() -> dict[int, dict[bytes, object]]:
            with client.literals_up_to(cap):
                answer: dict[int, dict[bytes, object]] = client.fetch(list(wanted), items)
            return answer

        return self._connection.on_those_left(fetch)


def _head(uid: int, items: dict[bytes, object]) -> Head | None:
    header = items.get(b"BODY[HEADER]<0>")
    size, received = items.get(b"RFC822.SIZE"), items.get(b"INTERNALDATE")
    if not isinstance(header, bytes) or not header.strip() or not isinstance(size, int):
        return None
    flags = items.get(b"FLAGS")
    keywords = frozenset(text_of(flag) for flag in flags) if isinstance(flags, tuple) else frozenset[str]()
    return Head(uid, min(size, LARGEST), _epoch(received), keywords, header)


def _epoch(received: object) -> float:
    """An INTERNALDATE within what a calendar holds in any time zone: servers may show the years 1 and 9999."""
    return min(max(received.timestamp(), 0.0), LATEST) if isinstance(received, datetime) else 0.0


def _is_since(items: dict[bytes, object], since: date | None) -> bool:
    received = items.get(b"INTERNALDATE")
    return since is None or not isinstance(received, datetime) or received.date() >= since
