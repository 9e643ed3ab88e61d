"""Finds mail in the folder of handled mail that no row of the journal explains: another worker may be at work.

Our worker moves mail there only after it has recorded the outcome, so there is a row for whatever it moved. Other mail
was moved there by somebody else: by a person, or by a worker with a journal of its own. Such a worker has a budget of
login attempts of its own as well, and two budgets are more than the account has attempts.

What lay in the folder at the first look is taken as known: it may be older than our journal. So is what a person
acknowledges, what `journal rebuild` has entered, and what lies in a folder that was renumbered. Nothing in the mailbox
is changed. Two workers that both handle each message aren't found: each has a row for it.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from itertools import chain

from worker.journal.facts import Facts
from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.journal.unexplained_note import UnexplainedNote, read_note, write_note
from worker.logs.log import get_logger
from worker.mailbox import uid_sets
from worker.mailbox.bisection import shown_heads
from worker.mailbox.errors import CommandRefused
from worker.mailbox.folders import Layout
from worker.mailbox.session import HEADS_AT_ONCE, FolderState, Session
from worker.message.key import Fingerprints
from worker.message.outcome import State

log = get_logger()

_OURS = (State.HANDLED, State.JUNK, State.FAILED)
"""States of mail that we have moved, or that a person has moved from where we put it."""


class Unexplained:
    """Looks at the mail that has come to the folder of handled mail since the last look.

    Where the server doesn't say which UIDs the mail has that we move (COPYUID), mail with the headers of a message that
    we have moved counts as that one.
    """

    def __init__(
        self, messages: Messages, facts: Facts, layout: Layout, *, handled: str | None, fingerprints: Fingerprints
    ) -> None:
        """handled: what the settings call the folder of handled mail; None if handled mail stays where it is, so that
        nothing can be found.
        """
        self._messages = messages
        self._facts = facts
        self._layout = layout
        self._handled = handled
        self._fingerprints = fingerprints

    def do(self, session: Session) -> None:
        """Look, and remember what was found. May leave another folder selected.

        Raises:
            MailboxError, JournalUnavailable
        """
        before = read_note(self._facts)
        note = self._look(session, before)
        if note is None or note == before:
            return
        write_note(self._facts, note)
        if note.count > (0 if before is None else before.count):
            log.warning("mailbox.unexplained", folder=note.folder, count=note.count)

    def count(self, session: Session) -> int:
        """Return how many messages in the folder no row explains, and remember nothing. Raises as `do`."""
        note = self._look(session, read_note(self._facts))
        return 0 if note is None else note.count

    def acknowledge(self, session: Session) -> int:
        """Take what lies in the folder as known. Returns how many messages no row explained. Raises as `do`."""
        note = self._look(session, read_note(self._facts))
        if note is None:
            return 0
        write_note(self._facts, replace(note, uids=(), count=0))
        return note.count

    def _look(self, session: Session, note: UnexplainedNote | None) -> UnexplainedNote | None:
        """Return what is to be remembered now; None if there is no such folder, or it can't be opened now."""
        if self._handled is None:
            return None
        folder = self._layout.actual(self._handled)
        try:
            state = session.status(folder)
            if note is None or (note.folder, note.uidvalidity) != (folder, state.uidvalidity):
                return UnexplainedNote(folder, state.uidvalidity, state.uidnext)
            if state.uidnext <= note.looked and not note.uids:
                return note
            return self._look_into(session, note, session.select(folder))
        except CommandRefused:
            return None

    def _look_into(self, session: Session, note: UnexplainedNote, state: FolderState) -> UnexplainedNote:
        new = session.search(uidnext=state.uidnext, lowest=note.looked) if state.uidnext > note.looked else set[int]()
        wanted = new | (session.present(note.uids) if note.uids else set())
        strangers = wanted - self._messages.placed_in(note.folder, state, wanted)
        marks = self._marks(session, strangers)
        rows = self._messages.with_fingerprints(marks)
        lying = self._lying(session, note.folder, state, chain.from_iterable(rows.values()))
        left, count = strangers.difference(*marks.values()), 0
        for mark, uids in marks.items():
            known = [row for row in rows.get(mark, []) if row.id not in lying]
            unknown = uids[sum(row.state in _OURS for row in known) :]
            count += max(0, len(unknown) - sum(row.state is State.PENDING for row in known))
            left.update(unknown)
        return replace(note, looked=max(note.looked, state.uidnext), uids=tuple(sorted(left)), count=count)

    def _lying(self, session: Session, folder: str, state: FolderState, rows: Iterable[Record]) -> set[int]:
        """Ids of those rows whose own messages are known to lie in the folder, so that they explain no others."""
        places = [(row.id, row.place.uid_in(state)) for row in rows if row.place.folder == folder]
        uids = {uid for _, uid in places if uid is not None}
        present = session.present(uids) if uids else set()
        return {row for row, uid in places if uid in present}

    def _marks(self, session: Session, uids: Collection[int]) -> dict[str, list[int]]:
        """Return the UIDs by fingerprint, without those whose headers the server doesn't show now."""
        found: dict[str, list[int]] = {}
        for chunk in uid_sets.chunks(uids, HEADS_AT_ONCE):
            for head in shown_heads(session, chunk):
                found.setdefault(self._fingerprints.of_block(head.header), []).append(head.uid)
        return found
