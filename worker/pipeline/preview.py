"""Says what would happen to each message, without handing over, recording or moving anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.handling.call import Routes
from worker.journal.messages import Messages
from worker.journal.records import Place, Record
from worker.mailbox.bisection import shown_heads
from worker.mailbox.folders import Layout
from worker.mailbox.session import Head, Session
from worker.message.content_mark import ContentMarks
from worker.message.key import Fingerprints, MessageKey, look_alike
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits, MessageError
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.admit import Classify
from worker.pipeline.matching import may_be, needs_content
from worker.pipeline.poll import Poll
from worker.pipeline.whereabouts import Look, Whereabouts, which_of

AT_ONCE = 50
NO_HEADER = "nothing yet: the server shows no header"
ByRoute = tuple[tuple[str, tuple[str, ...]], ...]
"""The names of the routes that take a message, each with its handlers."""
_DONE = (State.HANDLED, State.FAILED)
_NO_ROUTE: ByRoute = ()


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would happen to a message. outcome: a sentence for a person, without any content of the message.

    key is empty and path is None if the message isn't known and the server shows no header to make them from.
    received_at: epoch s. sender, subject: as the server shows them now. None: it shows no header.
    routes: those that would take it. handlers: those that would be called, in order.
    """

    key: str
    path: MailPath | None
    outcome: str
    received_at: float | None = None
    sender: str | None = None
    subject: str | None = None
    routes: tuple[str, ...] = ()
    handlers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A message that a look found."""

    place: Place
    size: int
    received_at: float


class Preview:
    """Looks at new and pending messages, and asks the rules. For one look only, as it remembers the keys it gave."""

    def __init__(
        self,
        *,
        messages: Messages,
        poll: Poll,
        whereabouts: Whereabouts,
        fingerprints: Fingerprints,
        marks: ContentMarks,
        layout: Layout,
        classify: Classify,
        routes: Routes,
        limits: Limits,
    ) -> None:
        self._messages = messages
        self._poll = poll
        self._whereabouts = whereabouts
        self._fingerprints = fingerprints
        self._marks = marks
        self._layout = layout
        self._classify = classify
        self._routes = routes
        self._limits = limits
        self._numbers: dict[str, int] = {}
        self._known_again: set[int] = set()

    def foresee(self, session: Session) -> Iterator[Foreseen]:
        """Each message that a drain would take up now, folder by folder. May raise `MailboxError`."""
        looks = {look.folder: look for look in self._poll.look(session)}
        for folder, look in looks.items():
            session.select(folder)
            here = {
                record.place.uid: record
                for record in self._messages.in_folder(folder)
                if look.holds(record) and record.place.uid is not None
            }
            pending = [uid for uid, record in here.items() if record.state is State.PENDING]
            uids = sorted({*look.new, *pending})
            for start in range(0, len(uids), AT_ONCE):
                yield from self._chunk(session, looks, look, uids[start : start + AT_ONCE], here)

    def _chunk(
        self, session: Session, looks: dict[str, Look], look: Look, uids: Sequence[int], here: dict[int, Record]
    ) -> Iterator[Foreseen]:
        unshown = set(uids)
        for head in shown_heads(session, uids):
            unshown.discard(head.uid)
            yield self._one(session, looks, look.folder, head, here.get(head.uid))
        there = session.present(unshown) if unshown else set()
        for uid in sorted(unshown & there):
            record = here.get(uid)
            if record is None:
                yield Foreseen("", None, NO_HEADER)
            else:
                yield Foreseen(record.key, record.verdict.path, NO_HEADER, received_at=record.received_at)

    def _one(
        self, session: Session, looks: dict[str, Look], folder: str, head: Head, record: Record | None
    ) -> Foreseen:
        headers = Headers.from_bytes(head.header)
        mark = self._fingerprints.of(headers)
        stays = record is not None and record.state is State.PENDING
        record = record or self._known(session, mark, headers, head, folder, looks)
        key = self._next(mark) if record is None else MessageKey(record.key)
        verdict = record.verdict if record is not None and (stays or record.released) else None
        verdict = verdict or self._classify(headers, folder == self._layout.junk, head.keywords)
        if record is not None and record.state in _DONE:
            outcome, by_route = f"nothing more: {record.state} before", _NO_ROUTE
        else:
            outcome, by_route = self._outcome(session, folder, head, key, verdict)
        return Foreseen(
            key,
            verdict.path,
            outcome,
            received_at=head.received_at,
            sender=headers.get("From") or "",
            subject=headers.get("Subject") or "",
            routes=tuple(name for name, _ in by_route),
            handlers=tuple(handler for _, names in by_route for handler in names),
        )

    def _known(
        self, session: Session, mark: str, headers: Headers, head: Head, folder: str, looks: dict[str, Look]
    ) -> Record | None:
        """The known message that this is, if it is no longer where its row says; None: this is a new message.

        A message that was handed over is known by its content. In a folder that was renumbered the headers suffice.
        """
        place = Place(folder, looks[folder].state.uidvalidity, head.uid)
        seen = _Seen(place, head.size, head.received_at)
        alike = [record for record in self._whereabouts.alike([mark]) if record.id not in self._known_again]
        found = self._whereabouts.lost(session, looks[folder], alike, looks).get(mark, []) if alike else []
        by_content = [record for record in found if needs_content(record, [seen])]
        header_mark = self._marks.of_headers(headers)
        by_headers = [record for record in found if record not in by_content and may_be(record, seen, header_mark)]
        best = which_of(by_headers, seen)
        if best is None and by_content and (content := self._content(session, head, folder)):
            best = next((record for record in by_content if record.content == content), None)
        if best is not None:
            self._known_again.add(best.id)
        return best

    def _content(self, session: Session, head: Head, folder: str) -> str | None:
        """The mark of a message's content; None if the server doesn't show all of it."""
        for body in session.bodies([head.uid], cap=self._limits.message, expected=head.size):
            if body.complete:
                return self._marks.of(self._message(body.raw, head, folder, MessageKey(""), Verdict(MailPath.CLEAN)))
        return None

    def _message(self, raw: bytes, head: Head, folder: str, key: MessageKey, verdict: Verdict) -> Message:
        received = datetime.fromtimestamp(head.received_at, UTC)
        return Message(raw, key=key, folder=folder, received_at=received, verdict=verdict, limits=self._limits)

    def _next(self, mark: str) -> MessageKey:
        """The key that the next message with these headers gets."""
        if mark not in self._numbers:
            self._numbers[mark] = self._messages.look_alikes([mark]).get(mark, 0)
        self._numbers[mark] += 1
        return look_alike(mark, self._numbers[mark])

    def _outcome(
        self, session: Session, folder: str, head: Head, key: MessageKey, verdict: Verdict
    ) -> tuple[str, ByRoute]:
        """The outcome for a person, and the handlers that would be called."""
        if head.size > self._limits.message:
            return "dead letter: over [limits] message, never fetched", _NO_ROUTE
        raw = head.header
        if verdict.path is MailPath.CLEAN:
            bodies = list(session.bodies([head.uid], cap=self._limits.message, expected=head.size))
            if not bodies:
                return "nothing yet: the server shows no content", _NO_ROUTE
            raw = bodies[0].raw
        message = self._message(raw, head, folder, key, verdict)
        if message.stand_in is not None:
            return f"nothing yet: the server shows a stand-in for it ({message.stand_in})", _NO_ROUTE
        try:
            routes = self._routes.handlers_for(message)
        except MessageError as error:
            return f"dead letter: {error.word}", _NO_ROUTE
        return f"route '{routes[0][0]}': {', '.join(name for _, names in routes for name in names)}", routes
