"""Reads the messages of the selected folder: their UIDs, headers and bytes. It never marks a message as read."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from imapclient.datetime_util import format_criteria_date

from worker.mailbox import uid_sets
from worker.mailbox.errors import JustExpunged, MailboxError
from worker.mailbox.fetch_answers import Items
from worker.mailbox.folder_answers import text_of
from worker.mailbox.imap_connection import ImapConnection
from worker.mailbox.in_flight import Sent
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
WINDOWS_AT_ONCE = 20
"""For two million UIDs. Many more, with neither side reading while it sends, could fill the buffers between them."""
FIRST_WINDOW = f"1:{SEARCH_WINDOW}"
"""What is asked for before we know how far the UIDs of a folder go. In most folders that is all of them."""

_ASKED_FOR = re.compile(r"(?<=BODY)\.PEEK|(?<=<0)\.\d+(?=>)")
"""What only the request has: that nothing is marked as read, and how many bytes are wanted."""
_BODY = "BODY.PEEK[]"
"""The whole message."""
_Key = tuple[tuple[int, ...], tuple[str, ...]]
"""UIDs and items of a request, which tell it from others."""


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
class _Request:
    """A UID FETCH. cap: the bytes that the literals in its answer may add up to."""

    uids: tuple[int, ...]
    items: tuple[str, ...]
    cap: int

    @property
    def key(self) -> _Key:
        """What tells it from others."""
        return self.uids, self.items

    @property
    def names(self) -> frozenset[bytes]:
        """What the answers call these items (RFC 3501, 7.4.2)."""
        return frozenset(_ASKED_FOR.sub("", item).encode() for item in self.items)


@dataclass(frozen=True, slots=True)
class Body:
    """A message's bytes. `complete` is false if the message is longer than the given cap."""

    uid: int
    raw: bytes
    complete: bool


class MessageReader:
    """Runs SEARCH and FETCH on one connection, and remembers what was asked for ahead."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection
        self._asked: dict[_Key, Sent] = {}
        """What was asked for ahead and not read yet, by UIDs and items."""

    @property
    def has_asked(self) -> bool:
        """Whether something was asked for ahead that nobody has begun to read."""
        return bool(self._asked)

    def forget(self) -> None:
        """Drop what was asked for ahead, because another folder is to be selected or other messages are wanted."""
        for key in list(self._asked):
            self._forget(key)

    def _forget(self, key: _Key) -> None:
        self._connection.client.wire.in_flight.forget(self._asked[key])
        del self._asked[key]

    def search(self, *, uidnext: int, since: date | None = None, lowest: int = 1, together: bool = False) -> set[int]:
        """All UIDs from the lowest on, by SEARCH; with `since`, those of mail received on that day or later, in the
        server's time zone. together: ask for many windows in one round trip.
        """
        found = set[int]()
        starts = range(lowest, max(uidnext, lowest + 1), SEARCH_WINDOW)
        for some in uid_sets.chunks(starts, WINDOWS_AT_ONCE if together else 1):
            found |= self._search_in([_window(start, uidnext) for start in some], since)
        return {uid for uid in found if uid >= lowest}

    def search_beyond_first(self, *, uidnext: int, together: bool) -> set[int]:
        """The UIDs above `FIRST_WINDOW`."""
        lowest = SEARCH_WINDOW + 1
        return self.search(uidnext=uidnext, lowest=lowest, together=together) if uidnext > lowest else set()

    def _search_in(self, windows: Sequence[str], since: date | None) -> set[int]:
        """What one SEARCH for each window names. Which answer belongs to which window doesn't matter."""
        criteria = [] if since is None else ["SINCE", format_criteria_date(since)]
        client, found = self._connection.client, set[int]()
        in_flight = client.wire.in_flight
        with self._connection.translated():
            in_flight.finish()
            sent = [in_flight.send_search("UID", window, *criteria) for window in windows]
            try:
                for one in sent:
                    found |= client.search_said(one)
            finally:
                for one in sent:
                    in_flight.forget(one)
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
                answer = self._fetch(_Request(tuple(sorted(missed)), ("INTERNALDATE",), 0))
                shown |= {uid for uid in missed if b"INTERNALDATE" in answer.get(uid, {})}
            found |= shown
        return found

    def ask_heads(self, wanted: Sequence[int]) -> None:
        """Ask for these headers ahead; see `Session.ask_heads`."""
        if len(wanted) <= HEADS_AT_ONCE:
            self._ask(_heads_of(sorted(wanted)))

    def ask_bodies(self, wanted: Sequence[int], *, cap: int, expected: int) -> None:
        """Ask for these messages ahead; see `Session.ask_bodies`."""
        self._ask(_bodies_of(wanted, cap, expected))

    def discard_bodies(self) -> None:
        """Throw away the messages that were asked for ahead; see `Session.discard_bodies`."""
        bodies = {key: sent for key, sent in self._asked.items() if key[1][0].startswith(_BODY)}
        for sent in bodies.values():
            self._connection.client.wire.in_flight.forget(sent)
        for key, sent in bodies.items():
            with self._connection.translated():
                self._connection.client.wire.in_flight.complete(sent)
            del self._asked[key]  # only now: if the connection ends before that, it ended ahead

    def heads(self, wanted: Iterable[int]) -> Iterator[Head]:
        """Fetch size, date, flags and header, in the order of the UIDs; see `Session.heads`."""
        for chunk in uid_sets.chunks(wanted, HEADS_AT_ONCE):
            answer = self._fetch(_heads_of(chunk))
            for uid in chunk:
                head = _head(uid, answer.pop(uid, {}))
                if head is not None and len(head.header) > SHORT_HEADER:
                    head = _head(uid, self._fetch(_heads_of([uid], HEADER_CAP)).get(uid, {}))
                if head is not None:
                    yield head

    def bodies(self, wanted: Sequence[int], *, cap: int, expected: int) -> Iterator[Body]:
        """Fetch messages in one command, each as it comes; see `Session.bodies`."""
        left = set(wanted)
        for uid, items in self._as_they_come(_bodies_of(wanted, cap, expected)) if left else ():
            raw = items.get(b"BODY[]<0>")
            if uid in left and isinstance(raw, bytes) and raw:
                left.remove(uid)
                yield Body(uid, raw[:cap] if len(raw) > cap else raw, complete=len(raw) <= cap)

    def _ask(self, request: _Request) -> None:
        if request.uids and request.key not in self._asked:
            with self._connection.translated():
                self._asked[request.key] = self._send(request)

    def _send(self, request: _Request) -> Sent:
        for uids, items in list(self._asked):  # what was asked for in another grouping is read by nobody any more
            if items == request.items and not set(request.uids).isdisjoint(uids):
                self._forget((uids, items))
        return self._connection.client.send_fetch(request.uids, request.items, names=request.names, cap=request.cap)

    def _fetch(self, request: _Request) -> dict[int, Items]:
        """The whole answer, by UID."""
        return self._connection.on_those_left(lambda: self._collected(request))

    def _collected(self, request: _Request) -> dict[int, Items]:
        answer: dict[int, Items] = {}
        for uid, items in self._answers(request):
            answer.setdefault(uid, {}).update(items)
        return answer

    def _as_they_come(self, request: _Request) -> Iterator[tuple[int, Items]]:
        came: set[int] = set()
        try:
            for uid, items in self._answers(request):
                if items.keys() - {b"FLAGS"}:  # which the server tells unasked as well
                    came.add(uid)
                yield uid, items
        except JustExpunged:
            self._connection.hear_what_was_expunged()
            rest = replace(request, uids=tuple(uid for uid in request.uids if uid not in came))
            yield from sorted(self._fetch(rest).items()) if rest.uids else ()

    def _answers(self, request: _Request) -> Iterator[tuple[int, Items]]:
        """What the server says of each message. If that was asked for ahead, this only reads it.

        Raises:
            MailboxError: its `earlier` says whether the connection ended before the server came to this command.
        """
        sent = self._asked.pop(request.key, None)
        try:
            client = self._connection.client
            with self._connection.translated():
                sent = sent or self._send(request)
        except MailboxError as error:
            error.came_earlier()  # the server never got this command
            raise
        in_flight = client.wire.in_flight
        answers = in_flight.answers(sent)
        try:
            while True:
                with self._connection.translated():
                    found = next(answers, None)
                if found is None:
                    break
                yield found
                if in_flight.leave_if_others_follow(sent):
                    return
        except MailboxError as error:
            if not in_flight.is_next(sent):
                error.came_earlier()
            raise
        finally:
            if in_flight.is_waiting(sent):
                in_flight.forget(sent)
        with self._connection.translated():
            client.check_answer(sent)


def _window(start: int, uidnext: int) -> str:
    """The UIDs from here on that one SEARCH covers. The last window has no end, as mail may have come meanwhile."""
    last = start + SEARCH_WINDOW - 1
    return f"{start}:{last if last < uidnext - 1 else '*'}"


def _heads_of(uids: Sequence[int], most: int = SHORT_HEADER + 1) -> _Request:
    """The first bytes of each header, `most` at most, and what else the server says of these messages."""
    items = ("RFC822.SIZE", "INTERNALDATE", "FLAGS", f"BODY.PEEK[HEADER]<0.{most}>")
    return _Request(tuple(uids), items, len(uids) * most)


def _bodies_of(uids: Sequence[int], cap: int, expected: int) -> _Request:
    return _Request(tuple(uids), (f"{_BODY}<0.{cap + 1}>",), min(len(uids) * (cap + 1), 4 * expected + cap))


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
