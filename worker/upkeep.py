"""The journal's upkeep: made anew from the mailbox after damage, and kept from growing for ever."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from worker.classify import classify
from worker.journal.facts import Facts
from worker.journal.messages import Messages
from worker.journal.records import DELETED, NewMessage, Place, Record
from worker.logs import get_logger
from worker.mailbox.session import Session
from worker.message.headers import Headers
from worker.message.key import fingerprint
from worker.message.outcome import State
from worker.message.verdict import Path, Verdict
from worker.walk import Stranger, Walk, WalkedFolder, found_in, strangers_of

log = get_logger()

UPKEEP = "upkeep"
"""The fact that says when it was done last."""
EVERY = 86_400.0
"""Seconds between two upkeeps."""
MISSED_ENOUGH = 2
"""Walks that must miss a settled message before its row is compacted."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild entered. left: messages of the watched folders, which the next poll takes up as new."""

    handled: int
    junk: int
    failed: int
    left: int


class Rebuild:
    """Enters what the mailbox shows as settled: the folders for handled, failed and junk mail say what became of it."""

    def __init__(
        self,
        messages: Messages,
        walk: Walk,
        *,
        handled: str | None,
        failed: str,
        junk: Collection[str],
        assume_handled_before: datetime | None,
        clock: Callable[[], float],
    ) -> None:
        """junk: the junk folder, and the one that junk from elsewhere is moved to. handled None: handled mail stays in
        the watched folders, so only its date tells it from new mail.
        """
        self._messages = messages
        self._walk = walk
        self._states = {failed: State.FAILED} | dict.fromkeys(junk, State.JUNK)
        self._states |= {handled: State.HANDLED} if handled else {}
        self._before = None if assume_handled_before is None else assume_handled_before.timestamp()
        self._clock = clock

    def __call__(self, session: Session) -> Rebuilt:
        """Walk the mailbox and enter what it holds. What the journal knows already is left as it is."""
        found: list[tuple[NewMessage, State]] = []
        left = 0
        for folder, stranger in self._strangers(session):
            state = self._state(folder, stranger)
            if state is not None:
                found.append((_new(folder, stranger, state), state))
            elif folder.watched:
                left += 1
        self._messages.add_settled(found, self._clock())
        states = [state for _, state in found]
        return Rebuilt(states.count(State.HANDLED), states.count(State.JUNK), states.count(State.FAILED), left)

    def _strangers(self, session: Session) -> list[tuple[WalkedFolder, Stranger]]:
        """Messages that no row is about. A row is about one, too, where its number isn't known or doesn't hold."""
        folders, rows = self._walk(session), self._messages.everything()
        strangers = strangers_of(folders, rows)
        for row in rows:
            if row.reason != DELETED:
                found_in(folders, strangers, row)  # it is taken out
        left = {(name, stranger.uid) for places in strangers.values() for name, stranger in places}
        return [
            (folder, stranger)
            for name, folder in folders.items()
            for stranger in folder.strangers
            if (name, stranger.uid) in left
        ]

    def _state(self, folder: WalkedFolder, stranger: Stranger) -> State | None:
        state = self._states.get(folder.name)
        if state is None and folder.watched and self._before is not None and stranger.received_at < self._before:
            return State.HANDLED
        return state


class Compact:
    """Forgets rows of mail that was settled long ago and is in no folder of ours any more; keeps their number."""

    def __init__(
        self, messages: Messages, walk: Walk, *, account: str, keep: float, clock: Callable[[], float]
    ) -> None:
        """keep: seconds for which a settled row stays, in any case."""
        self._messages = messages
        self._no_header = fingerprint(account, Headers(()))
        self._walk = walk
        self._keep = keep
        self._clock = clock

    def __call__(self, session: Session) -> int:
        """One walk; returns how many rows were compacted. A row goes when two walks in a row missed its message."""
        old = self._messages.settled_before(self._clock() - self._keep)
        if not old:
            return 0
        folders = self._walk(session)
        strangers = strangers_of(folders, self._messages.everything())
        lost = [row for row in old if found_in(folders, strangers, row) is None]
        missed = [row for row in lost if not self._may_be_there(folders, row)]
        self._messages.found_or_missed(_others(old, lost), [row.id for row in missed])
        return self._messages.compact([row.id for row in missed], missed=MISSED_ENOUGH)

    def _may_be_there(self, folders: dict[str, WalkedFolder], row: Record) -> bool:
        """Whether its folder holds mail without a row that may be its message: it shows no header, or did then."""
        folder = folders.get(row.place.folder)
        if folder is None:
            return False
        return folder.unread > 0 or (row.fingerprint == self._no_header and bool(folder.strangers))


class Upkeep:
    """Once a day, over restarts: what is older than it need be kept goes from the journal."""

    def __init__(
        self,
        facts: Facts,
        *,
        compact: Callable[[Session], int],
        forget: Sequence[Callable[[float], object]],
        keep: float,
        clock: Callable[[], float],
    ) -> None:
        """compact: rows of messages. forget: other rows, those that were done with before a time (epoch s). keep: s."""
        self._facts = facts
        self._compact = compact
        self._forget = forget
        self._keep = keep
        self._clock = clock

    def __call__(self, session: Session) -> None:
        """Do it where a day has passed. Leaves another folder selected, perhaps."""
        now, last = self._clock(), self._facts.recall(UPKEEP)
        if last is not None and 0 <= now - float(last) < EVERY:
            return
        self._facts.remember(UPKEEP, repr(now))
        for forget in self._forget:
            forget(now - self._keep)
        if count := self._compact(session):
            log.info("journal.compacted", count=count)


def _others(rows: list[Record], without: list[Record]) -> list[int]:
    left_out = {row.id for row in without}
    return [row.id for row in rows if row.id not in left_out and row.missed]


def _new(folder: WalkedFolder, stranger: Stranger, state: State) -> NewMessage:
    in_junk = state is State.JUNK
    return NewMessage(
        fingerprint=stranger.fingerprint,
        place=Place(folder.name, folder.state.uidvalidity, stranger.uid),
        size=stranger.size,
        received_at=stranger.received_at,
        verdict=classify((), in_junk_folder=True) if in_junk else Verdict(Path.CLEAN),
    )
