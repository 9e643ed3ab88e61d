"""New UIDs become messages: known ones that moved are known again, the others get a row and a key.

A message is known by its fingerprint, wherever it lies. A UID with a known fingerprint is that message only when the
message isn't still where its row says: otherwise it is a copy, a message of its own.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import DELETED, NewMessage, Place, Record
from worker.logs import get_logger
from worker.mailbox.bisection import shown_heads
from worker.mailbox.errors import CommandRefused, ConnectionLost, ProtocolFault
from worker.mailbox.folders import Layout
from worker.mailbox.session import Head, Session
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.message.verdict import Evidence, Path, Verdict
from worker.pipeline.known_senders import Sender
from worker.pipeline.whereabouts import OPEN, Look, claim, locate, which_of

log = get_logger()

Classify = Callable[[Headers, bool, frozenset[str]], Verdict]
"""Headers, whether the message lies in the junk folder, its keywords."""

MOVED_OUT = Evidence("release", None, "moved out", "it was moved out of the junk folder", counts=False)


HEADER_WAIT = 3600.0
"""Seconds for which a message is waited for that the server lists without a header; then it is a dead letter."""

HEADER_AGAIN = 300.0
"""Seconds until a header is asked for again at which the connection ended."""

NO_HEADER = "header-not-shown"
"""The reason of such a dead letter."""


def _no_sender(_headers: Headers) -> Sender:
    return Sender()


@dataclass(frozen=True, slots=True)
class Top:
    """The top of a message: its header block as fetched and as parsed, not to be asked for or parsed twice."""

    raw: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Admitted:
    """What admission came to.

    tops: of each message by its row's id. places: of the messages known before, where they lie now, by its row's id.
    new: rows entered. moved_back: done, and their mail is in a watched folder again, where it lies now.
    rejudged: their verdict changed. released: by a move out of the junk folder. unread: UIDs of which the server showed
    no header yet. headless: of which it never did, and which nothing is known of but where they lie.
    """

    tops: dict[int, Top]
    places: dict[int, Place]
    new: tuple[Record, ...]
    moved_back: tuple[tuple[Record, Place], ...]
    rejudged: tuple[Record, ...]
    released: tuple[Record, ...]
    unread: tuple[int, ...]
    headless: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    head: Head
    headers: Headers
    fingerprint: str
    verdict: Verdict


class _KnownAgain(NamedTuple):
    """Known messages in new places: done ones to be settled from there, those judged anew, those a move released."""

    moved_back: list[tuple[Record, Place]]
    rejudged: list[Record]
    released: list[Record]


class Admission:
    """Matches what a look found against the journal."""

    def __init__(
        self,
        messages: Messages,
        places: Places,
        *,
        account: str,
        layout: Layout,
        classify: Classify,
        clock: Callable[[], float],
        sender_of: Callable[[Headers], Sender] = _no_sender,
        on_moved_out: Callable[[Record], None] | None = None,
    ) -> None:
        """on_moved_out: told of junk that a move out of the junk folder has released; None: a move releases nothing."""
        self._messages = messages
        self._places = places
        self._account = account
        self._no_header = fingerprint(account, Headers(()))
        self._layout = layout
        self._classify = classify
        self._clock = clock
        self._sender_of = sender_of
        self._on_moved_out = on_moved_out
        self._alone: set[Place] = set()
        """Where headers are asked for one at a time, as asking for these ended the connection."""
        self._put_off: dict[Place, float | None] = {}
        """Until when (epoch s) no header is asked for, as asking for it alone ended the connection; None: not yet."""

    def admit(self, session: Session, look: Look, uids: Sequence[int], looks: Iterable[Look]) -> Admitted:
        """Give each of these UIDs of the looked-at folder its row. The folder is selected again when this returns."""
        seen = [self._see(look.folder, head) for head in self._heads(session, look, uids)]
        unread = set(uids) - {item.head.uid for item in seen}
        since = self._waited_for(look, uids, unread)
        seen += (hopeless := self._without_header(session, look, since))
        unread -= {item.head.uid for item in hopeless}
        lost = self._lost_candidates(session, look, seen, {other.folder: other for other in looks})
        new: list[_Seen] = []
        known: list[tuple[_Seen, Record]] = []
        for item in seen:
            place = Place(look.folder, look.state.uidvalidity, item.head.uid)
            record = which_of(lost.get(item.fingerprint, []), item.head.size, place)
            if record is None:
                new.append(item)
            else:
                known.append((item, record))
        added = self._messages.add([self._new(look, item) for item in new], self._clock())
        again = self._know_again(look, known)
        pairs = [*zip(new, added, strict=True), *known]
        tops = {record.id: Top(item.head.header, item.headers) for item, record in pairs}
        places = {record.id: Place(look.folder, look.state.uidvalidity, item.head.uid) for item, record in known}
        headless = tuple(record for item, record in pairs if not item.head.header and record.state in _NOT_DONE)
        return Admitted(
            tops=tops,
            places=places,
            new=tuple(added),
            moved_back=tuple(again.moved_back),
            rejudged=tuple(again.rejudged),
            released=tuple(again.released),
            unread=tuple(sorted(unread)),
            headless=headless,
        )

    def _heads(self, session: Session, look: Look, uids: Sequence[int]) -> list[Head]:
        """The headers, as far as the server shows them.

        Where it ends the connection instead, the next look asks for each alone; and that at which it ends even then is
        left out for a while, as if it had no header yet: others aren't to wait for it.
        """
        places = {Place(look.folder, look.state.uidvalidity, uid): uid for uid in uids}
        asked = [place for place in places if not self._is_put_off(place)]
        together = [place for place in asked if place not in self._alone]
        heads: list[Head] = []
        for group in (together, *([place] for place in asked if place in self._alone)):
            try:
                heads += shown_heads(session, [places[place] for place in group])
            except (ConnectionLost, ProtocolFault):
                self._put_off |= {place: None for place in group if place in self._alone}
                self._alone.update(group)
                raise
            self._alone.difference_update(group)
        return heads

    def _is_put_off(self, place: Place) -> bool:
        """Once in any case, and then for a time: however seldom the mailbox is looked at, others come in between."""
        if place not in self._put_off:
            return False
        now = self._clock()
        until = self._put_off[place]
        if until is None:
            self._put_off[place] = now + HEADER_AGAIN
        elif not now < until <= now + HEADER_AGAIN:
            del self._put_off[place]
            return False
        return True

    def _waited_for(self, look: Look, uids: Sequence[int], unread: Collection[int]) -> dict[int, float]:
        """Since when the header of each is waited for: over restarts, which would else begin the hour anew.

        What was shown by now, is gone, or has its row is forgotten.
        """
        waits = self._places.headerless(look.folder)
        validity, now = look.state.uidvalidity, self._clock()
        known = {place: at for place, at in waits.items() if at <= now}  # else the clock was put back: begin anew
        since = {uid: known.get((validity, uid), now) for uid in unread}
        still = {(validity, uid) for uid in set(look.new) - (set(uids) - set(unread))}
        begun = {(validity, uid): at for uid, at in since.items() if (validity, uid) not in known}
        self._places.await_headers(look.folder, begun, waits.keys() - (still & known.keys()))
        return since

    def _without_header(self, session: Session, look: Look, since: Mapping[int, float]) -> list[_Seen]:
        """Those whose header the server has not shown for so long that it never will."""
        now = self._clock()
        waited_for = [uid for uid, first in since.items() if now - first >= HEADER_WAIT]
        there = session.present(waited_for) if waited_for else set()
        return [self._see(look.folder, Head(uid, 0, now, frozenset(), b"")) for uid in waited_for if uid in there]

    def seek(self, session: Session, folder: str, records: Sequence[Record]) -> list[Record]:
        """Find messages in a folder that isn't watched, where their rows don't say truly which ones they are.

        Returns those that aren't there.
        """
        try:
            state = session.select(folder)
        except CommandRefused:
            return list(records)
        found = locate(session, self._messages, self._account, folder, state)
        places = [
            (record.id, Place(folder, state.uidvalidity, uids.pop(0)))
            for record in records
            if (uids := found.get(record.fingerprint))
        ]
        self._places.seen_at(places)
        there = {row for row, _ in places}
        return [record for record in records if record.id not in there]

    def _see(self, folder: str, head: Head) -> _Seen:
        headers = Headers.from_bytes(head.header)
        verdict = self._classify(headers, folder == self._layout.junk, head.keywords)
        return _Seen(head, headers, fingerprint(self._account, headers), verdict)

    def _new(self, look: Look, item: _Seen) -> NewMessage:
        return NewMessage(
            fingerprint=item.fingerprint,
            place=Place(look.folder, look.state.uidvalidity, item.head.uid),
            size=item.head.size,
            received_at=item.head.received_at,
            verdict=item.verdict,
            sender=(sender := self._sender_of(item.headers)).mark,
            sender_listed=sender.listed,
        )

    def _know_again(self, look: Look, known: list[tuple[_Seen, Record]]) -> _KnownAgain:
        """Known messages in a new place: what was pending goes on from there, what was done is settled again.

        Where the new place changes the verdict of a message that isn't done as clean, it starts anew: a message that
        left the junk folder is judged by its headers (and settled again where they say junk), one that went there is
        junk. A person's release outlasts both; that by a move, which may be the server's own, ends with the move back.

        The place is written last: whatever the process dies at, the next look finds the message in a new place again.
        """
        places = {record.id: Place(look.folder, look.state.uidvalidity, item.head.uid) for item, record in known}
        released = [record for _, record in known if self._is_moved_out(record, look.folder)]
        for record in released:
            self._release(record)
        again = {record.id for record in released}
        rejudged = [
            (record, item.verdict)
            for item, record in known
            if record.id not in again
            and (not record.released or (look.folder == self._layout.junk and _by_move_alone(record)))
            and record.state in OPEN
            and (self._left_junk(record, look.folder) or _changes_path(item, record))
        ]
        self._messages.judged([(record.id, verdict) for record, verdict in rejudged])
        again |= {record.id for record, _ in rejudged}
        self._messages.noted(
            [
                (record.id, item.verdict)
                for item, record in known
                if record.id not in again
                and record.place.folder != look.folder
                and _is_worth_a_note(item, record, left_junk=record.place.folder == self._layout.junk)
            ]
        )
        moved_back = [
            (record, places[record.id])
            for _, record in known
            if record.id not in again
            and record.state in (State.HANDLED, State.JUNK, State.FAILED)
            and not self._may_stay(record, look.folder)
        ]
        self._places.settle_again([record.id for record, _ in moved_back])
        self._places.seen_at(list(places.items()))
        return _KnownAgain(moved_back, [record for record, _ in rejudged], released)

    def _is_moved_out(self, record: Record, folder: str) -> bool:
        """Whether junk left the folder for junk, and that is to count as a release."""
        is_junk = record.verdict.path is Path.JUNK
        return self._on_moved_out is not None and is_junk and record.state in OPEN and self._left_junk(record, folder)

    def _left_junk(self, record: Record, folder: str) -> bool:
        """Whether it lay in the junk folder, or where we had put it, and lies elsewhere now."""
        there = (self._layout.junk, record.settle_to)
        return record.place.folder in there and folder not in there

    def _release(self, record: Record) -> None:
        verdict = Verdict(Path.CLEAN, (*record.verdict.evidence, MOVED_OUT))
        self._messages.reopen(record.id, verdict=verdict, released_at=self._clock())
        log.warning("message.moved_out", key=record.key)
        if self._on_moved_out is not None:
            self._on_moved_out(record)

    def _may_stay(self, record: Record, folder: str) -> bool:
        """Handled mail that somebody, or the server's own filter, put into the junk folder afterwards stays there."""
        return folder == self._layout.junk or record.settle_to in (None, folder)

    def _lost_candidates(
        self, session: Session, look: Look, seen: Sequence[_Seen], looks: dict[str, Look]
    ) -> dict[str, list[Record]]:
        """Messages with the fingerprints seen that are no longer where their rows say.

        What a look shows in its place may have been moved since, and then it is seen twice: the server is asked. What
        we deleted ourselves is nowhere; what looks like it is another copy.
        """
        alike = self._messages.with_fingerprints(item.fingerprint for item in seen)
        candidates = [record for records in alike.values() for record in records if record.reason != DELETED]
        elsewhere: dict[str, list[Record]] = {}
        lost: list[Record] = []
        for record in candidates:
            place_look = looks.get(record.place.folder)
            if record.state is State.GONE or (place_look is not None and not place_look.holds(record)):
                lost.append(record)
            elif record.fingerprint != self._no_header:  # in a folder that isn't looked at, nothing tells these apart
                elsewhere.setdefault(record.place.folder, []).append(record)
        for folder, records in elsewhere.items():
            lost += self._not_in(session, folder, records)
        if elsewhere:
            session.select(look.folder)
        found: dict[str, list[Record]] = {}
        for record in lost:
            found.setdefault(record.fingerprint, []).append(record)
        return found

    def _not_in(self, session: Session, folder: str, records: list[Record]) -> list[Record]:
        """Those of the records that don't lie in this folder, which isn't one of those watched."""
        try:
            state = session.select(folder)
        except CommandRefused:
            return records  # the folder is gone, and what was in it is somewhere else
        placed = {record.place.uid: record for record in records if record.place.uidvalidity == state.uidvalidity}
        unplaced = [record for record in records if placed.get(record.place.uid) is not record]
        unplaced += [placed.pop(None)] if None in placed else []
        there = session.present([uid for uid in placed if uid is not None])
        lost = [record for uid, record in placed.items() if uid not in there]
        if unplaced:
            found = locate(session, self._messages, self._account, folder, state)
            lost += [record for record in unplaced if not claim(found, record)]
        return lost


_NOT_DONE = (State.PENDING, State.GONE)


def _changes_path(item: _Seen, record: Record) -> bool:
    return record.verdict.path is not item.verdict.path


def _by_move_alone(record: Record) -> bool:
    """Whether a move released it, and no person has."""
    return record.verdict.evidence[-1:] == (MOVED_OUT,)


def _is_worth_a_note(item: _Seen, record: Record, *, left_junk: bool) -> bool:
    """Whether there is other evidence than before.

    Of a dead letter, which a person may retry, only that it is junk, or what it is now that it left the junk folder.
    """
    if record.released or record.verdict == item.verdict:
        return False
    return record.state in OPEN or (record.state is State.FAILED and (left_junk or item.verdict.path is Path.JUNK))
