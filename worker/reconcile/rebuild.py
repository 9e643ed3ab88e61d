"""Rebuilds the journal from the mailbox after damage."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from worker.classify import classify
from worker.journal.messages import Messages
from worker.journal.records import NewMessage, Place
from worker.logs import get_logger
from worker.mailbox.session import Session
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.reconcile.walk import Stranger, Walk, WalkedFolder, found_in, strangers_of

log = get_logger()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many messages a rebuild entered.

    left: messages of watched folders that weren't entered, which the next poll takes up as new.
    """

    handled: int
    junk: int
    failed: int
    left: int


class Rebuild:
    """Enters settled mail into the journal. Its folder, for handled, failed or junk mail, shows its state."""

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
        """Set up a rebuild.

        junk: the junk folder, and the folder to which junk from elsewhere is moved.
        handled: None if handled mail stays in the watched folders, where only its date distinguishes it from new mail.
        """
        self._messages = messages
        self._walk = walk
        self._states = {failed: State.FAILED} | dict.fromkeys(junk, State.JUNK)
        self._states |= {handled: State.HANDLED} if handled else {}
        self._before = None if assume_handled_before is None else assume_handled_before.timestamp()
        self._clock = clock

    def __call__(self, session: Session) -> Rebuilt:
        """Walk the mailbox and enter the settled mail in it. Existing rows are left unchanged."""
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
        """Return the messages without a row. A row whose UID is unknown or invalid still claims its message."""
        folders, rows = self._walk(session), self._messages.everything()
        strangers = strangers_of(folders, rows)
        for row in rows:
            if not row.is_deleted:
                found_in(folders, strangers, row)  # removes its message from the strangers
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


def _new(folder: WalkedFolder, stranger: Stranger, state: State) -> NewMessage:
    in_junk = state is State.JUNK
    return NewMessage(
        fingerprint=stranger.fingerprint,
        place=Place(folder.name, folder.state.uidvalidity, stranger.uid),
        size=stranger.size,
        received_at=stranger.received_at,
        verdict=classify((), in_junk_folder=True) if in_junk else Verdict(MailPath.CLEAN),
    )
