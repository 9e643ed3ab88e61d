"""The IMAP session: one connection, logged in, owned by one thread.

It says what the server shows and does what it is told; it knows no message's fate. Everything that IMAPClient raises
leaves this room as one of `worker.mailbox.errors`.
"""

import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar

from worker.mailbox import uid_sets
from worker.mailbox.answers import Phase, Sasl, login_failure, session_error
from worker.mailbox.errors import CommandRefused, ConnectionLost, JustExpunged, MailboxError, ProtocolFault
from worker.mailbox.folders import FolderInfo
from worker.mailbox.imap_client import Client, ImapError, tls_context
from worker.mailbox.login_failures import Kind
from worker.mailbox.sasl import Plain
from worker.message.mime.headers import MAX_HEADER_BYTES

HEADER_CAP = MAX_HEADER_BYTES + 1
"""Bytes of a header that are fetched: one more than are read, so that what is cut is known to be."""
HEADS_AT_ONCE = 100
"""Headers that are asked for, and held, at once: read, those of 256 KB that Exchange lets pass take 1.5 MB each."""
SMALL_ANSWER = 16_000_000
"""Bytes of literals that a command which fetches no message may bring."""
EXPUNGED_TRIES = 5
"""How often a command is given while people go on expunging what it names."""
T = TypeVar("T")
LARGEST = 2**53
"""No message is larger; a journal can't hold every number that a server may say."""
LATEST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()
"""No message was received later."""
SEARCH_WINDOW = 100_000
"""UIDs a SEARCH at most, so that one line of answer stays readable."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the mailbox is. Times in seconds."""

    host: str
    port: int
    ca_file: Path | None = None
    connect_timeout: float = 30.0
    read_timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class FolderState:
    """What SELECT or STATUS says of a folder.

    Two equal states: nothing has come or gone in between, unless as many went as came late, below the highest UID.
    """

    uidvalidity: int
    uidnext: int
    messages: int


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


@dataclass(frozen=True, slots=True)
class Moved:
    """Where messages went: their UIDs in the target by their old ones, as far as the server told."""

    uidvalidity: int | None
    uids: dict[int, int]


class Session:
    """One connection to the mailbox. Use: connect, log in, work, close. Not thread-safe.

    Every method may raise `ConnectionLost` and the other errors of `worker.mailbox.errors`; after `ConnectionLost` the
    session is of no more use.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: Client | None = None
        self._idle_tag: bytes | None = None
        self._idle_news = False
        self.selected: str | None = None
        self.selected_state: FolderState | None = None

    # -- the connection ------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Open the connection and verify the server. Sends no credential.

        Raises:
            TlsRefused, ConnectionLost, ServerUnavailable, ProtocolFault
        """
        context = tls_context(None if self._endpoint.ca_file is None else str(self._endpoint.ca_file))
        with self._translated():
            self._client = Client(
                self._endpoint.host,
                self._endpoint.port,
                context,
                connect=self._endpoint.connect_timeout,
                read=self._endpoint.read_timeout,
                literal_cap=SMALL_ANSWER,
            )

    def login(self, address: str, password: str) -> None:
        """Send the password, once, by the one mechanism chosen beforehand, never a second one after a refusal.

        Raises:
            LoginFailed: with the class of the failure and whether the server may have counted it.
        """
        client = self._connected()
        if "LOGINDISABLED" in self._capabilities() or not password.isascii():
            mechanism = Plain(address, password)
            with self._login_translated("password", mechanism):
                client.sasl_login("PLAIN", mechanism)
        else:
            with self._login_translated("password"):
                client.login(address, password)
        self._forget_answers()

    def login_token(self, mechanism: Sasl) -> None:
        """Send an OAuth token by XOAUTH2.

        Raises:
            LoginFailed: with what the server's challenge said.
        """
        with self._login_translated("token", mechanism):
            self._connected().sasl_login("XOAUTH2", mechanism)
        self._forget_answers()

    def close(self) -> None:
        """Log out where that is still possible, and close. Never raises."""
        client, self._client = self._client, None
        self.selected = None
        if client is None:
            return
        with suppress(ImapError, OSError):
            client.wire.sock.settimeout(2.0)
            if self._idle_tag is None:
                client.logout()
        with suppress(ImapError, OSError):
            client.shutdown()

    def abort(self) -> None:
        """End the connection from another thread: whatever waits for the server there raises `ConnectionLost`."""
        client = self._client
        if client is not None:
            with suppress(OSError):
                client.wire.sock.shutdown(socket.SHUT_RDWR)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that no error has ended."""
        return self._client is not None

    def has(self, capability: str) -> bool:
        """Whether the server says that it has this capability, now that we are logged in."""
        return capability in self._capabilities()

    # -- folders -------------------------------------------------------------------------------------------------------

    def folders(self) -> list[FolderInfo]:
        """All folders of the mailbox."""
        with self._translated():
            listed = self._connected().list_folders()
            return [
                FolderInfo(str(name), frozenset(_text(flag).lower() for flag in flags), _text(delimiter or b""))
                for flags, delimiter, name in listed
            ]

    def create(self, folder: str) -> None:
        """Create a folder, also where somebody else has done so at the same moment."""
        try:
            with self._translated():
                self._connected().create_folder(folder)
        except CommandRefused:
            if folder not in {info.name for info in self.folders()}:
                raise

    def select(self, folder: str) -> FolderState:
        """Open a folder for the commands that follow."""
        with self._translated():
            self.selected = self.selected_state = None
            answer = self._connected().select_folder(folder)
            self._news()
            self.selected = folder
            self.selected_state = _folder_state(answer)
            return self.selected_state

    def status(self, folder: str) -> FolderState:
        """What STATUS says of a folder that isn't selected. One round trip."""
        with self._translated():
            return _folder_state(self._connected().folder_status(folder, ("MESSAGES", "UIDNEXT", "UIDVALIDITY")))

    def noop(self) -> bool:
        """Whether anything came to or went from the selected folder since it was last asked. One round trip."""
        with self._translated():
            self._connected().noop()
            return self._news()

    # -- messages of the selected folder -------------------------------------------------------------------------------

    def search(self, *, uidnext: int, since: date | None = None) -> set[int]:
        """The UIDs in the selected folder; with `since`, of mail received on that day or later (server's time zone)."""
        client, found = self._connected(), set[int]()
        with self._translated():
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
        client = self._connected()
        answer = self._on_those_left(lambda: client.fetch_all(("INTERNALDATE",)))
        return {uid for uid, items in answer.items() if b"INTERNALDATE" in items and _is_since(items, since)}

    def present(self, wanted: Iterable[int]) -> set[int]:
        """Which of these UIDs are in the selected folder now: what SEARCH shows, or FETCH, as each may miss some."""
        client, found = self._connected(), set[int]()
        for chunk in uid_sets.chunks(wanted):
            with self._translated():
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

    def move(self, wanted: Sequence[int], target: str) -> Moved:
        """MOVE messages of the selected folder (RFC 6851). UIDs that aren't there any more are passed over."""
        client = self._connected()
        client.untagged("COPYUID")
        self._on_those_left(lambda: client.move(uid_sets.compress(wanted), target))
        client.untagged("EXPUNGE")  # our own doing is no news
        client.untagged("VANISHED")
        return _moved(client.untagged("COPYUID"))

    def copy(self, wanted: Sequence[int], target: str) -> Moved:
        """COPY messages of the selected folder."""
        client = self._connected()
        client.untagged("COPYUID")
        self._on_those_left(lambda: client.copy(uid_sets.compress(wanted), target))
        return _moved(client.untagged("COPYUID"))

    def delete(self, wanted: Sequence[int]) -> None:
        """Remove messages of the selected folder, these alone: `\\Deleted` and UID EXPUNGE (UIDPLUS, RFC 4315)."""
        client = self._connected()
        self._on_those_left(lambda: client.add_flags(uid_sets.compress(wanted), [b"\\Deleted"], silent=True))
        self._on_those_left(lambda: client.uid_expunge(uid_sets.compress(wanted)))
        client.untagged("EXPUNGE")
        client.untagged("VANISHED")

    # -- IDLE ----------------------------------------------------------------------------------------------------------

    def idle(self) -> bool:
        """Begin IDLE (RFC 2177). True: there is news already, so don't wait."""
        with self._translated():
            wire = self._connected().wire
            tag = wire._command("IDLE")  # noqa: SLF001 -- IMAPClient's idle() fails on news before the `+`
            while wire._get_response() is not None:  # noqa: SLF001
                if wire.tagged_commands[tag] is not None:
                    _, lines = wire.tagged_commands.pop(tag)
                    raise session_error(ImapError(f"IDLE: {lines!r}"), {})
            self._idle_tag = tag
            self._idle_news = self._news()
            return self._idle_news or wire.buffered()

    def idle_done(self) -> bool:
        """End IDLE. True: something came or went meanwhile. One round trip."""
        tag, self._idle_tag = self._idle_tag, None
        if tag is None:
            return False
        with self._translated():
            wire = self._connected().wire
            wire.send(b"DONE\r\n")
            wire._command_complete("IDLE", tag)  # noqa: SLF001 -- the other half of idle()
            return self._news() or self._idle_news

    @property
    def idling(self) -> bool:
        """Whether the server has been asked to tell of news by itself."""
        return self._idle_tag is not None

    def fileno(self) -> int:
        """The socket, for a thread that waits until it is readable and doesn't read it."""
        return int(self._connected().wire.sock.fileno())

    # -- inside --------------------------------------------------------------------------------------------------------

    def _connected(self) -> Client:
        if self._client is None:
            raise ConnectionLost("not connected")
        return self._client

    def _capabilities(self) -> frozenset[str]:
        with self._translated():
            return frozenset(_text(name).upper() for name in self._connected().capabilities())

    def _forget_answers(self) -> None:
        """Capabilities may change with the login: they are asked anew where the server didn't say them."""
        self._connected()._cached_capabilities = None  # noqa: SLF001 -- IMAPClient keeps those from before the login

    def _fetch(self, wanted: Sequence[int], items: Sequence[str], *, cap: int) -> dict[int, dict[bytes, object]]:
        client = self._connected()

        def fetch() -> dict[int, dict[bytes, object]]:
            client.wire.literal_cap = cap
            try:
                answer: dict[int, dict[bytes, object]] = client.fetch(list(wanted), items)
            finally:
                client.wire.literal_cap = SMALL_ANSWER
            return answer

        return self._on_those_left(fetch)

    def _on_those_left(self, command: Callable[[], T]) -> T:
        """Give a command on messages, again where others have expunged some of them just before."""
        for _ in range(EXPUNGED_TRIES - 1):
            try:
                with self._translated():
                    return command()
            except JustExpunged:
                with self._translated():
                    self._connected().noop()  # the server names them now; for us that stays news
        with self._translated():
            return command()

    def _news(self) -> bool:
        """Take what the server said unasked about the selected folder; true where mail came or went."""
        client = self._connected()
        kinds = [kind for kind in ("EXISTS", "EXPUNGE", "VANISHED") if client.untagged(kind)]
        for kind in ("RECENT", "FETCH", "OK", "FLAGS"):
            client.untagged(kind)
        return bool(kinds)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn whatever IMAPClient, imaplib and the socket raise into an error of this room."""
        try:
            yield
        except MailboxError as error:
            self._end_unless_usable(error)
            raise
        except (ImapError, OSError, ssl.SSLError) as error:
            translated = session_error(error, self._untagged())
            self._end_unless_usable(translated)
            raise translated from error
        except (ValueError, TypeError, LookupError, AttributeError, AssertionError, MemoryError) as error:
            # IMAPClient's parser on an answer that it doesn't understand; what follows in the stream can't be trusted
            fault = ProtocolFault(f"an answer that can't be understood ({type(error).__name__})")
            self._end_unless_usable(fault)
            raise fault from error

    @contextmanager
    def _login_translated(self, kind: Kind, mechanism: Sasl | None = None) -> Iterator[None]:
        try:
            yield
        except (ImapError, OSError, ValueError, TypeError, LookupError) as error:
            failure = login_failure(error, self._untagged(), kind=kind, phase=Phase.SENT, mechanism=mechanism)
            self._drop()
            raise failure from error

    def _untagged(self) -> dict[str, list[object]]:
        return {} if self._client is None else dict(self._client.wire.untagged_responses)

    def _end_unless_usable(self, error: MailboxError) -> None:
        if not isinstance(error, CommandRefused):
            self._drop()

    def _drop(self) -> None:
        client, self._client = self._client, None
        self.selected = self._idle_tag = None
        if client is not None:
            with suppress(ImapError, OSError):
                client.shutdown()


def _folder_state(answer: dict[bytes, object]) -> FolderState:
    messages = answer.get(b"MESSAGES", answer.get(b"EXISTS"))
    values = (answer.get(b"UIDVALIDITY"), answer.get(b"UIDNEXT"), messages)
    uidvalidity, uidnext, count = (value[0] if isinstance(value, list | tuple) else value for value in values)
    return FolderState(int(str(uidvalidity)), int(str(uidnext)), int(str(count)))


def _head(uid: int, items: dict[bytes, object]) -> Head | None:
    header = items.get(b"BODY[HEADER]<0>")
    size, received = items.get(b"RFC822.SIZE"), items.get(b"INTERNALDATE")
    if not isinstance(header, bytes) or not header.strip() or not isinstance(size, int):
        return None
    flags = items.get(b"FLAGS")
    keywords = frozenset(_text(flag) for flag in flags) if isinstance(flags, tuple) else frozenset[str]()
    return Head(uid, min(size, LARGEST), _epoch(received), keywords, header)


def _epoch(received: object) -> float:
    """An INTERNALDATE within what a calendar holds in any time zone: servers may show the years 1 and 9999."""
    return min(max(received.timestamp(), 0.0), LATEST) if isinstance(received, datetime) else 0.0


def _is_since(items: dict[bytes, object], since: date | None) -> bool:
    received = items.get(b"INTERNALDATE")
    return since is None or not isinstance(received, datetime) or received.date() >= since


_COPYUID = re.compile(rb"(\d+) ([\d:,]+) ([\d:,]+)")


def _moved(copyuid: list[object]) -> Moved:
    """COPYUID (RFC 4315), which Exchange can malform: then we don't know, and look for the messages when needed."""
    uidvalidity: int | None = None
    pairs: dict[int, int] = {}
    for line in copyuid:
        match = _COPYUID.fullmatch(line.strip()) if isinstance(line, bytes) else None
        if match is None:
            return Moved(None, {})
        with suppress(ValueError):
            old, new = (uid_sets.expand(match[group].decode()) for group in (2, 3))
            if len(old) == len(new):
                uidvalidity = int(match[1])
                pairs.update(zip(old, new, strict=True))
    return Moved(uidvalidity, pairs)


def _text(value: object) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
