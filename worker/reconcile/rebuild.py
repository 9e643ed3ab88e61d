"""Rebuilds the journal from the mailbox after damage."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from worker.classify import classify as classify_alone
from worker.journal.messages import Messages
from worker.journal.records import NewMessage, Place, Record
from worker.logs.log import get_logger
from worker.mailbox import uid_sets
from worker.mailbox.bisection import shown_heads
from worker.mailbox.session import HEADS_AT_ONCE, Head, Session
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.admit import Classify, SenderOf
from worker.reconcile.walk import Stranger, Strangers, Walk, WalkedFolder, claim_stranger, is_placed, strangers_of

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
        classify: Classify,
        sender_of: SenderOf,
        restored: bool = False,
    ) -> None:
        """Set up a rebuild.

        junk: the junk folder, and the folder to which junk from elsewhere is moved.
        handled: None if handled mail stays in the watched folders, where only its date distinguishes it from new mail.
        classify, sender_of: read from a message's header why it is junk, and who sent it.
        restored: the journal is a copy that was made earlier. Its rows know nothing of what was settled since.
        """
        self._messages = messages
        self._walk = walk
        self._states = {failed: State.FAILED} | dict.fromkeys(junk, State.JUNK)
        self._states |= {handled: State.HANDLED} if handled else {}
        self._before = None if assume_handled_before is None else assume_handled_before.timestamp()
        self._clock = clock
        self._classify = classify
        self._sender_of = sender_of
        self._restored = restored

    def __call__(self, session: Session) -> Rebuilt:
        """Walk the mailbox and enter the settled mail in it.

        Existing rows are left unchanged. Only of a restored journal, those follow their messages to the folders where
        these were settled since.
        """
        folders, rows = self._walk(session), self._messages.everything()
        strangers = strangers_of(folders, rows)
        followed = self._claimed(folders, strangers, rows)
        found: list[tuple[NewMessage, State]] = []
        left = 0
        for folder, stranger in _unclaimed(folders, strangers):
            state = self._state(folder, stranger)
            if state is not None:
                found.append((_new(folder, stranger, state), state))
            elif folder.watched:
                left += 1
        self._messages.settled_elsewhere(followed, self._clock())
        self._messages.add_settled(self._read(session, folders, found), self._clock())
        states = [state for _, state in found] + [state for _, state, _ in followed]
        return Rebuilt(states.count(State.HANDLED), states.count(State.JUNK), states.count(State.FAILED), left)

    def _read(
        self, session: Session, folders: dict[str, WalkedFolder], found: Sequence[tuple[NewMessage, State]]
    ) -> list[tuple[NewMessage, State]]:
        """The same with what their headers say: who sent them, and why they are junk.

        The headers are read a batch at a time, and only what they say is kept. A message that shows none now is
        entered as it is. Handled mail is clean, whatever its header says: a person may have released it.
        """
        read: list[tuple[NewMessage, State]] = []
        for folder in folders:
            here = {one.place.uid: (one, state) for one, state in found if one.place.folder == folder}
            if here:
                session.select(folder)
            for uids in uid_sets.chunks([uid for uid in here if uid is not None], HEADS_AT_ONCE):
                for head in shown_heads(session, uids):
                    if (known := here.get(head.uid)) is not None:
                        here[head.uid] = self._as_read(head, *known), known[1]
            read += here.values()
        return read

    def _as_read(self, head: Head, one: NewMessage, state: State) -> NewMessage:
        headers = Headers.from_bytes(head.header)
        sender = self._sender_of(headers)
        verdict = one.verdict
        if state is not State.HANDLED:
            verdict = self._classify(headers, state is State.JUNK, head.keywords)
        return replace(
            one,
            verdict=verdict,
            sender=sender.mark,
            sender_listed=sender.listed,
            sender_confirmed=sender.confirmed,
        )

    def _claimed(
        self, folders: dict[str, WalkedFolder], strangers: Strangers, rows: Sequence[Record]
    ) -> list[tuple[int, State, Place]]:
        """Take the messages that have rows out of the strangers, and return the rows that follow theirs.

        A row whose UID is unknown or invalid still claims its message.
        """
        followed: list[tuple[int, State, Place]] = []
        for row in rows:
            if row.is_deleted or is_placed(folders, row):
                continue
            claimed = claim_stranger(strangers, row)
            if claimed is None:
                continue
            name, stranger = claimed
            state = self._states.get(name)
            if state is not None and self._restored and _was_settled(row, name, stranger, state):
                followed.append((row.id, state, Place(name, folders[name].state.uidvalidity, stranger.uid)))
        return followed

    def _state(self, folder: WalkedFolder, stranger: Stranger) -> State | None:
        state = self._states.get(folder.name)
        if state is None and folder.watched and self._before is not None and stranger.received_at < self._before:
            return State.HANDLED
        return state


def _unclaimed(folders: dict[str, WalkedFolder], strangers: Strangers) -> list[tuple[WalkedFolder, Stranger]]:
    left = {(name, stranger.uid) for places in strangers.values() for name, stranger in places}
    return [
        (folder, stranger)
        for name, folder in folders.items()
        for stranger in folder.strangers
        if (name, stranger.uid) in left
    ]


def _was_settled(row: Record, folder: str, stranger: Stranger, state: State) -> bool:
    """Whether a row's message was settled to this folder after the row was written.

    A message of another size may be another message with the same header. Clean mail in the junk folder was put there
    by a person.
    """
    if row.state is State.HANDLED or row.place.folder == folder or row.size != stranger.size:
        return False
    return state is not State.JUNK or row.verdict.path is MailPath.JUNK


def _new(folder: WalkedFolder, stranger: Stranger, state: State) -> NewMessage:
    in_junk = state is State.JUNK
    return NewMessage(
        fingerprint=stranger.fingerprint,
        place=Place(folder.name, folder.state.uidvalidity, stranger.uid),
        size=stranger.size,
        received_at=stranger.received_at,
        verdict=classify_alone((), in_junk_folder=True) if in_junk else Verdict(MailPath.CLEAN),
    )
