"""Looks for messages in one folder: those that SEARCH or the journal names, and the newest in any case."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from worker.commands.find.criteria import Criteria
from worker.mailbox.bisection import shown_heads
from worker.mailbox.errors import CommandRefused, FolderBusy
from worker.mailbox.session import HEADS_AT_ONCE, FolderState, Head, Session
from worker.message.key import Fingerprints
from worker.message.mime.headers import Headers
from worker.message.mime.signs import is_retrieval_stand_in

DATES = 10
"""In a window of time, the dates of this many times as many messages are read as headers."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """limit: how many messages are shown. look: how many of the newest headers of each folder are read in any case."""

    limit: int
    look: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A message in the mailbox that is what was looked for. received_at: epoch s. size: the server's estimate."""

    folder: str
    uid: int
    received_at: float
    size: int
    header: bytes = field(repr=False)
    fingerprint: str


@dataclass(slots=True)
class FolderLook:
    """What was looked at in a folder, in numbers of messages.

    messages: in the folder. named: named by SEARCH; None: it wasn't asked. refused: the server refused SEARCH.
    dated: of the newest, those whose dates were read. read: those whose headers were read. hidden: those whose headers
    the server doesn't show. skipped: received in the time asked for, and yet not read, by `--look`.
    left: named by SEARCH or the journal, and not read, because enough were found.
    unopened: why the folder couldn't be opened; empty: it could.
    """

    folder: str
    messages: int = 0
    named: int | None = None
    refused: bool = False
    dated: int = 0
    read: int = 0
    hidden: int = 0
    skipped: int = 0
    left: int = 0
    unopened: str = ""

    @property
    def complete(self) -> bool:
        """Whether the headers of all messages that were received in the time asked for were read."""
        return not (self.unopened or self.hidden or self.skipped or self.left) and self.dated >= self.messages


@dataclass(slots=True)
class FolderFind:
    """What was found in a folder, and what was looked at.

    state: None: it couldn't be opened. listed: the UIDs that the server named. asked: those whose headers were asked
    for. shown: fingerprints by the UIDs whose headers were shown.
    """

    look: FolderLook
    state: FolderState | None = None
    hits: list[Hit] = field(default_factory=list)
    listed: set[int] = field(default_factory=set)
    asked: set[int] = field(default_factory=set)
    shown: dict[int, str] = field(default_factory=dict)


class Named(Protocol):
    """What the journal names in a folder."""

    def sure(self, state: FolderState, /) -> Iterable[int]:
        """UIDs of messages that are most likely what is looked for."""

    def maybe(self, state: FolderState, /) -> Iterable[int]:
        """UIDs of messages that were received in the time asked for, newest first."""


class FolderSearch:
    """Looks for the same in any number of folders. It opens them to read, and changes nothing."""

    def __init__(
        self, session: Session, criteria: Criteria, fingerprints: Fingerprints, bounds: Bounds, keyed: Collection[str]
    ) -> None:
        """keyed: the fingerprints of the messages with the key that is looked for, where one is."""
        self._session = session
        self._criteria = criteria
        self._fingerprints = fingerprints
        self._bounds = bounds
        self._keyed = keyed

    def find(self, folder: str, named: Named) -> FolderFind:
        """Find all there is to find within the bounds."""
        found = self._opened(folder)
        if found.state is None or not found.state.messages:
            return found
        recent = self._recent(found)
        sure = self._named_by_server(found) | set(named.sure(found.state))
        self._read_named(found, sorted(sure, reverse=True))
        maybe = [uid for uid in dict.fromkeys([*recent, *named.maybe(found.state)]) if uid not in found.asked]
        self._read(found, maybe[: self._bounds.look])
        found.look.skipped = len(maybe[self._bounds.look :])
        return found

    def at(self, folder: str, named: Named) -> FolderFind:
        """Read only what the journal names."""
        found = self._opened(folder)
        if found.state is not None:
            self._read(found, sorted(named.sure(found.state), reverse=True))
        return found

    def _opened(self, folder: str) -> FolderFind:
        found = FolderFind(FolderLook(folder))
        try:
            found.state = self._session.examine(folder)
        except (CommandRefused, FolderBusy) as refused:  # neither ends the connection
            found.look.unopened = str(refused)
        else:
            found.look.messages = found.state.messages
        return found

    def _named_by_server(self, found: FolderFind) -> set[int]:
        terms = self._criteria.terms()
        if not terms.anything:
            return set()
        try:
            uids = self._session.search_for(terms)
        except CommandRefused:
            found.look.refused = True
            return set()
        found.look.named = len(uids)
        found.listed |= uids
        return uids

    def _recent(self, found: FolderFind) -> list[int]:
        """The newest messages of the folder that were received in the time asked for, newest first."""
        window = self._criteria.window
        count = self._bounds.look if window.is_open else self._bounds.look * DATES
        try:
            newest = list(self._session.newest(count, found.look.messages)) if count else []
        except CommandRefused:
            return []
        found.look.dated = len(newest)
        found.listed.update(one.uid for one in newest)
        return [one.uid for one in newest if window.holds(one.received_at)]

    def _read_named(self, found: FolderFind, uids: Sequence[int]) -> None:
        """Read these until there are enough hits."""
        for start in range(0, len(uids), HEADS_AT_ONCE):
            if len(found.hits) >= self._bounds.limit:
                found.look.left = len(uids) - start
                return
            self._read(found, uids[start : start + HEADS_AT_ONCE])

    def _read(self, found: FolderFind, uids: Sequence[int]) -> None:
        rest = iter(uids)
        while chunk := list(islice(rest, HEADS_AT_ONCE)):
            found.asked.update(chunk)
            with suppress(CommandRefused):  # it shows none of them: they count as hidden
                for head in shown_heads(self._session, chunk):
                    self._look_at(found, head)
            found.look.read += len(found.shown.keys() & set(chunk))
            found.look.hidden += len(found.listed.intersection(chunk) - found.shown.keys())

    def _look_at(self, found: FolderFind, head: Head) -> None:
        """Keep the message if it is what is looked for. A placeholder has headers, but not those of its message."""
        headers = Headers.from_bytes(head.header)
        if is_retrieval_stand_in(headers):
            return
        fingerprint = self._fingerprints.of(headers)
        found.shown[head.uid] = fingerprint
        wanted = self._criteria
        if (
            wanted.window.holds(head.received_at)
            and (not wanted.key or fingerprint in self._keyed)
            and wanted.matches(headers)
        ):
            place = (found.look.folder, head.uid)
            found.hits.append(Hit(*place, head.received_at, head.size, head.header, fingerprint))
