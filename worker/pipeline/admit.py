"""Admission: a new UID is a known message that moved, or a new message, which gets a row and a key."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import NewMessage, Place, Record
from worker.logs import get_logger
from worker.mailbox.folders import Layout
from worker.mailbox.session import Head, Session
from worker.message.key import Fingerprints
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.pipeline.known_senders import Sender
from worker.pipeline.late_headers import LateHeaders
from worker.pipeline.observer import Observer
from worker.pipeline.report import Report
from worker.pipeline.whereabouts import OPEN, Look, Whereabouts, which_of

log = get_logger()

MOVED_OUT = Evidence("release", None, "moved out", "it was moved out of the junk folder", counts=False)


class Classify(Protocol):
    """Says which path a message takes."""

    def __call__(self, headers: Headers, in_junk_folder: bool, keywords: frozenset[str], /) -> Verdict:
        """The verdict and its evidence. Never raises."""


class SenderOf(Protocol):
    """Tells senders apart without keeping their addresses."""

    def __call__(self, headers: Headers, /) -> Sender:
        """The sender of the message with these headers. Never raises."""


@dataclass(frozen=True, slots=True)
class Top:
    """A message's header block, as fetched and as parsed, so that it isn't asked for or parsed twice."""

    raw: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Admitted:
    """The result of admitting one batch of headers.

    folder: the folder looked at. tops: each message's header block, by row id. places: where the messages that we knew
    already lie now, by row id. new: the rows that were added. moved_back: messages that were done and are in a watched
    folder again, each with its present place. rejudged: messages whose verdict changed. released: messages that were
    released by a move out of the junk folder. unread: UIDs whose header the server hasn't shown yet. headless: messages
    whose header the server never showed; we know only where they lie.
    """

    folder: str
    tops: dict[int, Top]
    places: dict[int, Place]
    new: tuple[Record, ...]
    moved_back: tuple[tuple[Record, Place], ...]
    rejudged: tuple[Record, ...]
    released: tuple[Record, ...]
    unread: tuple[int, ...]
    headless: tuple[Record, ...] = ()

    @property
    def report(self) -> Report:
        """What this adds to the poll's report."""
        return Report(new=len(self.new), moved_back=len(self.moved_back), unread=len(self.unread))


@dataclass(frozen=True, slots=True)
class _Seen:
    head: Head
    headers: Headers
    fingerprint: str
    verdict: Verdict


class _KnownAgain(NamedTuple):
    """Known messages in new places: those to be settled again, those judged anew, and those that a move released."""

    moved_back: list[tuple[Record, Place]]
    rejudged: list[Record]
    released: list[Record]


class Admission:
    """Matches the UIDs that a look found with the journal's rows."""

    def __init__(
        self,
        *,
        messages: Messages,
        places: Places,
        whereabouts: Whereabouts,
        late_headers: LateHeaders,
        fingerprints: Fingerprints,
        layout: Layout,
        classify: Classify,
        sender_of: SenderOf,
        move_releases: bool,
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        """move_releases: whether a move out of the junk folder counts as a person's release."""
        self._messages = messages
        self._places = places
        self._whereabouts = whereabouts
        self._late_headers = late_headers
        self._fingerprints = fingerprints
        self._layout = layout
        self._classify = classify
        self._sender_of = sender_of
        self._move_releases = move_releases
        self._observer = observer
        self._clock = clock

    def admit(self, session: Session, look: Look, uids: Sequence[int], looks: Iterable[Look]) -> Admitted:
        """Give each of these UIDs of the looked-at folder its row. The folder is selected again when this returns."""
        heads = self._late_headers.shown(session, look, uids)
        unread = set(uids) - {head.uid for head in heads}
        given_up = self._late_headers.given_up(session, look, uids, unread)
        seen = [self._see(look.folder, head) for head in (*heads, *given_up)]
        new, known = self._told_apart(session, look, seen, looks)
        added = self._messages.add([self._new(look, item) for item in new], self._clock())
        again = self._know_again(look, known)
        pairs = [*zip(new, added, strict=True), *known]
        return Admitted(
            folder=look.folder,
            tops={record.id: Top(item.head.header, item.headers) for item, record in pairs},
            places={record.id: Place(look.folder, look.state.uidvalidity, item.head.uid) for item, record in known},
            new=tuple(added),
            moved_back=tuple(again.moved_back),
            rejudged=tuple(again.rejudged),
            released=tuple(again.released),
            unread=tuple(sorted(unread - {head.uid for head in given_up})),
            headless=tuple(record for item, record in pairs if not item.head.header and record.state in _NOT_DONE),
        )

    def _told_apart(
        self, session: Session, look: Look, seen: Sequence[_Seen], looks: Iterable[Look]
    ) -> tuple[list[_Seen], list[tuple[_Seen, Record]]]:
        """The new messages, and the known ones with their rows."""
        fingerprints = [item.fingerprint for item in seen]
        lost = self._whereabouts.lost(session, look, fingerprints, {other.folder: other for other in looks})
        new: list[_Seen] = []
        known: list[tuple[_Seen, Record]] = []
        for item in seen:
            place = Place(look.folder, look.state.uidvalidity, item.head.uid)
            record = which_of(lost.get(item.fingerprint, []), item.head.size, place)
            if record is None:
                new.append(item)
            else:
                known.append((item, record))
        return new, known

    def _see(self, folder: str, head: Head) -> _Seen:
        headers = Headers.from_bytes(head.header)
        verdict = self._classify(headers, folder == self._layout.junk, head.keywords)
        return _Seen(head, headers, self._fingerprints.of(headers), verdict)

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
        """Deal with known messages in a new place: pending ones are handled from there, done ones are settled again.

        If the new place changes the verdict of a message in one of the `OPEN` states, the message starts anew. A
        message that left the junk folder is judged by its headers, and settled again if they say junk; a message that
        was moved into the junk folder is junk. A person's release outlasts both moves. A release by a move ends when
        the message is moved back, because the first move may have been the server's own.

        The place is written last: wherever the process dies, the next look finds the message in a new place again.
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
        """Whether this is junk that left the junk folder, and such a move counts as a release."""
        is_junk = record.verdict.path is MailPath.JUNK
        return self._move_releases and is_junk and record.state in OPEN and self._left_junk(record, folder)

    def _left_junk(self, record: Record, folder: str) -> bool:
        """Whether it lay in the junk folder, or in the folder that we moved it to, and now lies in neither."""
        there = (self._layout.junk, record.settle_to)
        return record.place.folder in there and folder not in there

    def _release(self, record: Record) -> None:
        verdict = Verdict(MailPath.CLEAN, (*record.verdict.evidence, MOVED_OUT))
        self._messages.reopen(record.id, verdict=verdict, released_at=self._clock())
        log.warning("message.moved_out", key=record.key)
        self._observer.moved_out(record)

    def _may_stay(self, record: Record, folder: str) -> bool:
        """Whether done mail may stay in this folder. In the junk folder it always may, whoever or whatever moved it."""
        return folder == self._layout.junk or record.settle_to in (None, folder)


_NOT_DONE = (State.PENDING, State.GONE)


def _changes_path(item: _Seen, record: Record) -> bool:
    return record.verdict.path is not item.verdict.path


def _by_move_alone(record: Record) -> bool:
    """Whether the message was released by a move alone, and not by a person's request."""
    return record.verdict.evidence[-1:] == (MOVED_OUT,)


def _is_worth_a_note(item: _Seen, record: Record, *, left_junk: bool) -> bool:
    """Whether the evidence differs from before, and is worth keeping.

    A person may retry a dead letter, so we keep its new evidence only if it is junk now, or has left the junk folder.
    """
    if record.released or record.verdict == item.verdict:
        return False
    return record.state in OPEN or (record.state is State.FAILED and (left_junk or item.verdict.path is MailPath.JUNK))
