"""Adds up the sizes of all messages in the mailbox, for servers that don't tell its quota.

Each folder's total is remembered, with how far it was counted. Mail that has come since is added to it, so a folder
that only grows is never walked again, however many messages it holds. Only where mail has left a folder is the folder
counted anew: a total can't tell which sizes left with it. Where the server adds up a folder itself (STATUS=SIZE), it is
asked to.

The journal's rows don't matter here. What is compacted there, or lies where the journal never looked, is in the totals
as long as the server shows it. Folders are remembered by a keyed hash, since people name folders after people.

A look costs at most `AT_MOST` messages; the next look carries on where it ended. Nothing in the mailbox is changed.
"""

import hashlib
from dataclasses import astuple, dataclass, replace
from typing import Final, Protocol

import orjson

from worker.mailbox import uid_sets
from worker.mailbox.errors import CommandRefused, FolderBusy
from worker.mailbox.session import FolderState, Session
from worker.pipeline.stop import Permission

_NAME = "mailbox.tally"
AT_MOST: Final = 20_000
"""Messages whose sizes one look asks for; a folder counts as `FOLDER` of them."""
FOLDER: Final = 20
"""What it costs to ask for a folder's state, in messages."""


class Memory(Protocol):
    """Remembers short texts over restarts. Both methods may raise `JournalUnavailable`."""

    def recall(self, name: str) -> str | None:
        """The text that was last stored under this name."""

    def remember(self, name: str, text: str) -> None:
        """Store it, replacing what was there."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """uidvalidity, upto: the messages below this UID are counted. count, size: how many they are, and their bytes.

    done: the round in which the total was last right. begun: the round in which it was begun at the first message.
    """

    uidvalidity: int
    upto: int
    count: int
    size: int
    done: int
    begun: int


class FolderTally:
    """Adds up the mailbox, over as many looks as that takes. key: of the hashes of folders' names."""

    def __init__(self, memory: Memory, *, key: bytes, permission: Permission) -> None:
        self._memory = memory
        self._key = key
        self._permission = permission
        self._left = 0

    def total(self, session: Session, *, at_most: int = AT_MOST) -> int | None:
        """Count on, and return the mailbox's bytes once everything is counted; None: the next call carries on.

        A folder that the server refuses to open counts as it was last. May leave no folder selected.

        Raises:
            MailboxError, JournalUnavailable
            Stop: nothing more may be done now.
        """
        turn, known = self._recalled()
        self._left = at_most
        names = {
            self._mark(name): name for name in dict.fromkeys(info.name for info in session.folders() if info.holds_mail)
        }
        known = {mark: folder for mark, folder in known.items() if mark in names}
        try:
            for mark, name in names.items():
                if mark in known and known[mark].done == turn:
                    continue
                if self._left <= 0:
                    return None
                self._permission.go_on()
                known[mark] = self._count(session, name, known.get(mark), turn)
                if known[mark].done != turn:
                    return None
            turn += 1
            return sum(folder.size for folder in known.values())
        finally:
            self._remember(turn, known)

    def _count(self, session: Session, name: str, known: _Folder | None, turn: int) -> _Folder:
        self._left -= FOLDER
        try:
            if session.has("STATUS=SIZE") and (size := session.folder_size(name)) is not None:
                return _Folder(0, 0, 0, size, turn, turn)
            return self._count_messages(session, name, known, turn)
        except (CommandRefused, FolderBusy):
            return replace(known or _Folder(0, 0, 0, 0, turn, turn), done=turn)

    def _count_messages(self, session: Session, name: str, known: _Folder | None, turn: int) -> _Folder:
        """Count what isn't counted yet. If mail has left since, count all of it anew."""
        state = session.status(name)
        if known is None or _is_useless(known, state, turn):
            known = _Folder(state.uidvalidity, 1, 0, 0, turn - 1, turn)
        if state.uidnext > known.upto and state.messages:
            state = session.examine(name)
            uids = sorted(uid for uid in session.search(uidnext=state.uidnext) if uid >= known.upto)
            fits = uids[: max(1, self._left)]  # so that each look gets on
            for chunk in uid_sets.chunks(fits):
                sizes = session.message_sizes(chunk)
                known = replace(
                    known, upto=chunk[-1] + 1, count=known.count + len(sizes), size=known.size + sum(sizes.values())
                )
            self._left -= len(fits)
            if len(fits) < len(uids):
                return known
        known = replace(known, upto=state.uidnext)
        if known.count == state.messages:
            return replace(known, done=turn)
        if known.begun != turn:
            return self._count_messages(session, name, None, turn)
        # Mail left while it was counted, or the server lists less than it counts: take those counted as an average.
        size = known.size * state.messages // known.count if known.count else 0
        return replace(known, count=state.messages, size=size, done=turn)

    def _mark(self, name: str) -> str:
        return hashlib.blake2b(name.encode("utf-8", "surrogatepass"), key=self._key[:64], digest_size=9).hexdigest()

    def _recalled(self) -> tuple[int, dict[str, _Folder]]:
        try:
            noted = orjson.loads(self._memory.recall(_NAME) or "{}")
            return int(noted["turn"]), {mark: _Folder(*map(int, stored)) for mark, stored in noted["folders"].items()}
        except (TypeError, ValueError, LookupError, AttributeError):  # nothing yet, or written by another program
            return 1, {}

    def _remember(self, turn: int, known: dict[str, _Folder]) -> None:
        folders = {mark: astuple(folder) for mark, folder in known.items()}
        self._memory.remember(_NAME, orjson.dumps({"turn": turn, "folders": folders}).decode())


def _is_useless(known: _Folder, state: FolderState, turn: int) -> bool:
    """Whether what was counted can't be added to: it is another folder's, or mail that was counted has left."""
    has_lost = known.count > state.messages and known.begun != turn
    return known.uidvalidity != state.uidvalidity or state.uidnext < known.upto or has_lost
