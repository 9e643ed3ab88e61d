"""Looks for messages in one folder: those that SEARCH or the journal names, and the newest in any case."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from worker.commands.find.criteria import Criteria
from worker.commands.find.folder_find import FolderFind, Hit
from worker.mailbox.bisection import shown_heads
from worker.mailbox.errors import CommandRefused, FolderBusy
from worker.mailbox.session import HEADS_AT_ONCE, Arrived, FolderState, Head, Session, Terms
from worker.message.key import Fingerprints
from worker.message.mime.headers import Headers
from worker.message.mime.signs import is_retrieval_stand_in

DATES = 4
"""In a window of time, the dates of this many times as many messages are read as headers."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """limit: how many messages are shown. look: how many of the newest headers of each folder are read in any case."""

    limit: int
    look: int


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
        window, terms = self._criteria.window, self._criteria.terms()
        newest = self._newest(found, found.state.messages)
        by_server = self._named_by_server(found, terms)
        sure = set(named.sure(found.state))
        maybe = [one.uid for one in newest if window.holds(one.received_at)] + list(named.maybe(found.state))
        if terms.any_text:
            sure |= by_server
        else:  # by days alone it names far more than is meant
            earlier_or_later = {one.uid for one in newest if not window.holds(one.received_at)}
            maybe += sorted(by_server - earlier_or_later, reverse=True)
        self._read_sure(found, sorted(sure, reverse=True))
        unread = [uid for uid in dict.fromkeys(maybe) if not found.was_asked_for(uid)]
        self._read(found, unread[: self._bounds.look])
        found.too_many(len(unread[self._bounds.look :]))
        return found

    def at(self, folder: str, named: Named) -> FolderFind:
        """Read only what the journal names."""
        found = self._opened(folder)
        if found.state is not None:
            self._read(found, sorted(named.sure(found.state), reverse=True))
        return found

    def _opened(self, folder: str) -> FolderFind:
        found = FolderFind(folder)
        try:
            found.opened(self._session.examine(folder))
        except (CommandRefused, FolderBusy) as refused:  # neither ends the connection
            found.not_opened(str(refused))
        return found

    def _named_by_server(self, found: FolderFind, terms: Terms) -> set[int]:
        if not terms.anything:
            return set()
        try:
            uids = self._session.search_for(terms)
        except CommandRefused:
            found.search_refused()
            return set()
        found.searched(uids)
        return uids

    def _newest(self, found: FolderFind, messages: int) -> list[Arrived]:
        """The newest messages of the folder, newest first. Where a time is given these are more, as dates are short."""
        count = self._bounds.look * (1 if self._criteria.window.is_open else DATES)
        try:
            newest = list(self._session.newest(count, messages)) if count else []
        except CommandRefused:
            return []
        found.dates_read(newest)
        return newest

    def _read_sure(self, found: FolderFind, uids: Sequence[int]) -> None:
        """Read these until there are enough hits."""
        for start in range(0, len(uids), HEADS_AT_ONCE):
            if len(found.hits) >= self._bounds.limit:
                found.enough(len(uids) - start)
                return
            self._read(found, uids[start : start + HEADS_AT_ONCE])

    def _read(self, found: FolderFind, uids: Sequence[int]) -> None:
        rest = iter(uids)
        while chunk := list(islice(rest, HEADS_AT_ONCE)):
            found.asks_for(chunk)
            with suppress(CommandRefused):  # it shows none of them: they count as hidden
                for head in shown_heads(self._session, chunk):
                    self._look_at(found, head)

    def _look_at(self, found: FolderFind, head: Head) -> None:
        """Keep the message if it is what is looked for. A placeholder has headers, but not those of its message."""
        headers = Headers.from_bytes(head.header)
        if is_retrieval_stand_in(headers):
            return
        fingerprint, wanted = self._fingerprints.of(headers), self._criteria
        found.header_shown(head.uid, fingerprint)
        if (
            wanted.window.holds(head.received_at)
            and (not wanted.key or fingerprint in self._keyed)
            and wanted.matches(headers)
        ):
            found.hit(Hit(found.folder, head.uid, head.received_at, head.size, head.header, fingerprint))
