"""Finds messages that we moved before the journal could be told: a copy of ours may lie in the target."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from worker.journal.messages import Messages
from worker.journal.records import Place, Record
from worker.mailbox import uid_sets
from worker.mailbox.bisection import shown_heads
from worker.mailbox.errors import CommandRefused
from worker.mailbox.session import HEADS_AT_ONCE, Head, Session
from worker.message.key import Fingerprints
from worker.pipeline.whereabouts import Whereabouts, claim


class ToMove(Protocol):
    """A message that is to be moved."""

    @property
    def id(self) -> int: ...
    @property
    def fingerprint(self) -> str: ...
    @property
    def place(self) -> Place: ...


class AlreadyMoved:
    """Tells our copies in a target from other mail with the same headers, which the junk folder receives itself."""

    def __init__(self, messages: Messages, whereabouts: Whereabouts, fingerprints: Fingerprints) -> None:
        self._messages = messages
        self._whereabouts = whereabouts
        self._fingerprints = fingerprints

    def copies(self, session: Session, originals: Sequence[ToMove], folder: str, target: str) -> dict[int, Place]:
        """Where our copies of these messages of the selected folder lie in the target, by row id.

        A copy has all the headers, the size and the date of arrival of its original. In doubt there is no copy:
        otherwise the original would be deleted, and with it a message that is nowhere else. The folder is selected
        again when this returns.
        """
        if not originals:
            return {}
        shown = {head.uid: head for head in shown_heads(session, [one.place.uid for one in originals if one.place.uid])}
        validity, heads = self._unknown(session, target, {one.fingerprint for one in originals})
        session.select(folder)
        places: dict[int, Place] = {}
        for one in originals:
            original = shown.get(one.place.uid or 0)
            copy = next((head for head in heads if original is not None and _is_copy(head, original)), None)
            if copy is not None:
                heads.remove(copy)
                places[one.id] = Place(target, validity, copy.uid)
        return places

    def arrived(self, session: Session, records: Sequence[Record]) -> dict[int, Place]:
        """Where in their targets those of these messages lie that were moved there, by row id.

        They have the headers, the size and the date of arrival that their rows say. Without MOVE there are none, as a
        copy says nothing of its original, which may not have been deleted yet.
        """
        places: dict[int, Place] = {}
        if not session.has("MOVE"):
            return places
        for target in dict.fromkeys(record.settle_to for record in records if record.settle_to is not None):
            wanted = [record for record in records if record.settle_to == target != record.place.folder]
            try:
                validity, heads = self._unknown(session, target, {record.fingerprint for record in wanted})
            except CommandRefused:
                continue
            for record in wanted:
                found = next((head for head in heads if self._is_of(head, record)), None)
                if found is not None:
                    heads.remove(found)
                    places[record.id] = Place(target, validity, found.uid)
        return places

    def _unknown(self, session: Session, target: str, marks: Iterable[str]) -> tuple[int, list[Head]]:
        """The target's UIDVALIDITY, and the messages there that have these fingerprints and belong to no row."""
        state = session.select(target)
        found = self._whereabouts.strangers(session, target, state)
        for record in self._messages.in_folder(target):  # look-alikes that lie there and whose UID we don't know
            if not record.place.holds_in(state):
                claim(found, record)
        uids = [uid for mark in marks for uid in found.get(mark, [])]
        return state.uidvalidity, [
            head for chunk in uid_sets.chunks(uids, HEADS_AT_ONCE) for head in shown_heads(session, chunk)
        ]

    def _is_of(self, head: Head, record: Record) -> bool:
        is_as_long_and_old = (head.size, head.received_at) == (record.size, record.received_at)
        return is_as_long_and_old and self._fingerprints.of_block(head.header) == record.fingerprint


def _is_copy(head: Head, original: Head) -> bool:
    return (head.header, head.size, head.received_at) == (original.header, original.size, original.received_at)
