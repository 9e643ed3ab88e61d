"""Admission: a new UID is a known message that moved, or a new message, which gets a row and a key."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from worker.journal.messages import Messages
from worker.journal.places import Places
from worker.journal.records import NewMessage, Place, Record
from worker.mailbox.folders import Layout
from worker.mailbox.session import Head, Session
from worker.message.content_mark import ContentMarks, is_of_headers
from worker.message.key import Fingerprints
from worker.message.mime.headers import Headers
from worker.message.mime.signs import is_retrieval_stand_in
from worker.message.outcome import State
from worker.message.reasons import Reason
from worker.message.verdict import Verdict
from worker.pipeline.header_suspects import Batch, HeaderSuspects
from worker.pipeline.known_senders import Sender
from worker.pipeline.late_headers import LateHeaders
from worker.pipeline.matching import NOT_DONE, matched
from worker.pipeline.recognition import KnownAgain, Recognition, Sighted
from worker.pipeline.report import Report
from worker.pipeline.whereabouts import Look, Whereabouts

TOPS_BYTES = 16_000_000
"""Memory that the headers of one batch may take until its messages are handed over; the others are read again then."""
FIELD_BYTES = 250
"""Memory that a parsed header field takes besides its text, at most."""
HIDDEN = Reason.PLACEHOLDER.stored("retrieval-failed")
"""The reason of a message whose header is a placeholder's. It stays until the message's own header is known."""


class Classify(Protocol):
    """Says which path a message takes."""

    def __call__(self, headers: Headers, in_junk_folder: bool, keywords: frozenset[str], /) -> Verdict:
        """The verdict and its evidence. Never raises."""


class SenderOf(Protocol):
    """Tells senders apart without keeping their addresses."""

    def __call__(self, headers: Headers, /) -> Sender:
        """The sender of the message with these headers. Never raises."""


class RecordsMoves(Protocol):
    """Knows the moves in flight."""

    def record_moves(self, *, wait: bool) -> None:
        """Record those that the server has answered. May leave another folder selected."""


@dataclass(frozen=True, slots=True)
class Top:
    """A message's header block, as fetched and as parsed, so that it isn't asked for or parsed twice."""

    raw: bytes
    headers: Headers

    @property
    def memory(self) -> int:
        """The memory that this takes at most, in bytes."""
        return 3 * len(self.raw) + FIELD_BYTES * len(self.headers)  # as bytes, and as text of two bytes a character


@dataclass(frozen=True, slots=True)
class Admitted:
    """The result of admitting one batch of headers.

    folder: the folder looked at. suspect: whether this was one header that may end the process; then no message is
    handed over before the next ones are read. rows: the ids of all rows that these UIDs belong to. tops: header blocks
    by row id, as many as `TOPS_BYTES` allows. again: the messages that we knew already. new: the rows that were added,
    without those of messages that may be known ones. by_headers: how many done messages were known by headers and size
    alone. lost: messages that aren't where they were, and that only their content can show. look_again: folders that
    are to be listed again, because there are more messages than rows. unread: UIDs whose header the server hasn't shown
    yet. headless: messages whose header was given up, each with the reason; we know only where they lie. more: whether
    more of this folder are admitted next.
    """

    folder: str
    suspect: bool
    rows: frozenset[int]
    tops: dict[int, Top]
    again: KnownAgain
    new: tuple[Record, ...]
    by_headers: int
    lost: tuple[Record, ...]
    look_again: frozenset[str]
    unread: tuple[int, ...]
    headless: tuple[tuple[Record, str], ...] = ()
    more: bool = False

    @property
    def report(self) -> Report:
        """What this adds to the poll's report."""
        return Report(new=len(self.new), moved_back=len(self.again.moved_back), unread=len(self.unread))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What admission keeps of a header. head: without the header itself. header_mark: None: `top` is there to make it
    from, because hardly any message needs it.
    """

    head: Head
    top: Top | None
    fingerprint: str
    verdict: Verdict
    sender: Sender
    header_mark: str | None
    place: Place
    is_placeholder: bool

    @property
    def size(self) -> int:
        return self.head.size

    @property
    def received_at(self) -> float:
        return self.head.received_at


@dataclass(slots=True)
class _ToldApart:
    """What one batch of messages is: see `Matches`. lost: those that weren't known to be lost before.

    untried: rows whose messages' bodies were never handed over, and that may be one of `lost` as well as the doubtful
    ones.
    """

    new: list[_Seen] = field(default_factory=list)
    doubtful: list[_Seen] = field(default_factory=list)
    known: list[tuple[_Seen, Record]] = field(default_factory=list)
    lost: list[Record] = field(default_factory=list)
    again: list[Record] = field(default_factory=list)
    untried: list[int] = field(default_factory=list)

    @property
    def by_headers(self) -> int:
        """How many messages that are done were known by headers and size alone, because nobody knows their content."""
        return sum(1 for _, record in self.known if record.state not in NOT_DONE and record.content is None)


class Admission:
    """Matches the UIDs that a look found with the journal's rows."""

    def __init__(
        self,
        *,
        messages: Messages,
        places: Places,
        whereabouts: Whereabouts,
        suspects: HeaderSuspects,
        late_headers: LateHeaders,
        recognition: Recognition,
        moves: RecordsMoves,
        fingerprints: Fingerprints,
        marks: ContentMarks,
        layout: Layout,
        classify: Classify,
        sender_of: SenderOf,
        clock: Callable[[], float],
    ) -> None:
        self._messages = messages
        self._places = places
        self._whereabouts = whereabouts
        self._suspects = suspects
        self._late_headers = late_headers
        self._moves = moves
        self._fingerprints = fingerprints
        self._layout = layout
        self._classify = classify
        self._sender_of = sender_of
        self._recognition = recognition
        self._marks = marks
        self._clock = clock

    def batches(self, look: Look) -> list[Batch]:
        """The new UIDs of a look, in the batches in which they are to be admitted. Begins with that look."""
        self._late_headers.begin(look)
        return self._suspects.batches(look)

    def ask(self, session: Session, look: Look, batch: Batch) -> None:
        """Ask for the headers of a batch ahead. A suspect is asked for when its turn has come."""
        if not batch.suspect:
            self._late_headers.ask(session, look, batch.uids)

    def admit(self, session: Session, look: Look, batch: Batch, looks: Iterable[Look]) -> Admitted:
        """Give each of these UIDs of the looked-at folder its row. The folder is selected again when this returns."""
        uids = batch.uids
        seen = list(self._read(session, look, uids))
        unread = set(uids) - {item.head.uid for item in seen}
        given_up = self._late_headers.given_up(session, look, uids, unread)
        now = self._clock()
        seen += [self._see(look, Head(uid, 0, now, frozenset(), b""), room=0) for uid in given_up]
        told = self._told_apart(session, look, seen, looks)
        new = [*told.new, *told.doubtful]
        doubtful = {item.head.uid for item in told.doubtful}
        added = self._messages.add([self._new(item, doubtful=item.head.uid in doubtful) for item in new], now)
        again = self._recognition.by_headers([Sighted(record, item.place, item.verdict) for item, record in told.known])
        pairs = [*zip(new, added, strict=True), *told.known]
        return Admitted(
            folder=look.folder,
            suspect=batch.suspect,
            rows=frozenset(record.id for _, record in pairs),
            tops={record.id: item.top for item, record in pairs if item.top is not None},
            again=again,
            new=tuple(record for record in added if not record.doubtful),
            by_headers=told.by_headers,
            lost=tuple(told.lost),
            look_again=frozenset(record.place.folder for record in told.again),
            unread=tuple(sorted(unread - given_up.keys())),
            headless=tuple(
                (replace(record, place=item.place), given_up[item.head.uid])
                for item, record in pairs
                if item.head.uid in given_up and record.state in NOT_DONE
            ),
        )

    def _read(self, session: Session, look: Look, uids: Sequence[int]) -> Iterator[_Seen]:
        """What there is to know of each header; the headers themselves only while they have room."""
        room = TOPS_BYTES
        for head in self._late_headers.shown(session, look, uids):
            yield (item := self._see(look, head, room=room))
            room -= 0 if item.top is None else item.top.memory

    def _told_apart(self, session: Session, look: Look, seen: Sequence[_Seen], looks: Iterable[Look]) -> _ToldApart:
        """What these messages are. Those that only their content can show have been noted as lost when this returns.

        That is noted before the doubtful messages get their rows: if the process dies in between, the next look finds
        them again, and in doubt again.
        """
        alike = self._alike(session, look, [item.fingerprint for item in seen])
        by_folder = {other.folder: other for other in (*looks, look)}
        lost = self._whereabouts.lost(session, look, alike, by_folder)
        ids = {record.id for records in lost.values() for record in records}
        self._places.not_lost([record.id for record in alike if record.is_lost and record.id not in ids])
        placed = [record for record in alike if any(other.holds(record) for other in by_folder.values())]
        known = {record.place for record in placed if record.state is not State.GONE}
        groups: dict[str, list[_Seen]] = {}
        for item in seen:
            if item.place not in known:  # we found out since the look
                groups.setdefault(item.fingerprint, []).append(item)
        here_by_mark: dict[str, list[Record]] = {}
        for record in placed:
            here_by_mark.setdefault(record.fingerprint, []).append(record)
        told = _ToldApart()
        for mark, items in groups.items():
            here = here_by_mark.get(mark, [])
            if mark not in lost and not here:  # nobody has seen anything like these
                told.new += items
                continue
            found = matched(items, lost.get(mark, []), here, self._header_mark)
            told.new += found.new
            told.doubtful += found.doubtful
            told.known += found.known
            told.lost += [record for record in found.lost if not record.is_lost]
            told.again += found.again
            told.untried += [record.id for item, record in found.known if _is_doubted(record, item, found.lost)]
        self._places.lost([record.id for record in told.lost])
        self._places.doubted(told.untried)
        return told

    def _alike(self, session: Session, look: Look, fingerprints: Sequence[str]) -> list[Record]:
        """The messages with these fingerprints, where they lie now: one that we are just moving isn't lost."""
        alike = self._whereabouts.alike(fingerprints)
        if not any(record.is_moving for record in alike):
            return alike
        self._moves.record_moves(wait=True)
        if session.selected != look.folder:
            session.select(look.folder)
        return self._whereabouts.alike(fingerprints)

    def _see(self, look: Look, head: Head, *, room: int) -> _Seen:
        headers = Headers.from_bytes(head.header)
        top = Top(head.header, headers)
        is_kept = bool(head.header) and top.memory <= room
        return _Seen(
            Head(head.uid, head.size, head.received_at, head.keywords, b""),
            top if is_kept else None,
            self._fingerprints.of(headers),
            self._classify(headers, look.folder == self._layout.junk, head.keywords),
            self._sender_of(headers),
            None if is_kept else self._marks.of_headers(headers),
            Place(look.folder, look.state.uidvalidity, head.uid),
            is_retrieval_stand_in(headers),
        )

    def _header_mark(self, item: _Seen) -> str:
        if item.top is None:
            return item.header_mark or ""
        return self._marks.of_headers(item.top.headers)

    def _new(self, item: _Seen, *, doubtful: bool) -> NewMessage:
        return NewMessage(
            fingerprint=item.fingerprint,
            place=item.place,
            size=item.head.size,
            received_at=item.head.received_at,
            verdict=item.verdict,
            sender=item.sender.mark,
            sender_listed=item.sender.listed,
            sender_confirmed=item.sender.confirmed,
            doubtful=doubtful,
            reason=HIDDEN if item.is_placeholder else None,
        )


def _is_doubted(record: Record, item: _Seen, lost: Sequence[Record]) -> bool:
    """Whether the message that was taken for this one may as well be one of `lost`, and nobody has compared it yet.

    Of junk whose body was never fetched, the date of arrival says no, unless a lost one has the same.
    """
    if is_of_headers(record.content):
        return bool(lost) and (
            record.received_at != item.received_at or any(one.received_at == item.received_at for one in lost)
        )
    return bool(lost) and record.state is State.PENDING and record.content is None and record.tries == 0
