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
from worker.message.key import Fingerprints, MessageKey, look_alike
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.mime.limits import Limits, MessageError
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.admit import Classify
from worker.pipeline.poll import Poll
from worker.pipeline.whereabouts import Look, which_of

AT_ONCE = 50
NO_HEADER = "nothing yet: the server shows no header"
_DONE = (State.HANDLED, State.FAILED)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would happen to a message. outcome: a sentence for a person, without any content of the message.

    key is empty and path is None if the message isn't known and the server shows no header to make them from.
    """

    key: str
    path: MailPath | None
    outcome: str


class Preview:
    """Looks at new and pending messages, and asks the rules. For one look only, as it remembers the keys it gave."""

    def __init__(
        self,
        *,
        messages: Messages,
        poll: Poll,
        fingerprints: Fingerprints,
        layout: Layout,
        classify: Classify,
        routes: Routes,
        limits: Limits,
    ) -> None:
        self._messages = messages
        self._poll = poll
        self._fingerprints = fingerprints
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
        heads = {head.uid: head for head in shown_heads(session, uids)}
        unshown = [uid for uid in uids if uid not in heads]
        there = session.present(unshown) if unshown else set()
        for uid in uids:
            record = here.get(uid)
            head = heads.get(uid)
            if head is not None:
                yield self._one(session, looks, look.folder, head, record)
            elif uid in there:
                path = None if record is None else record.verdict.path
                yield Foreseen("" if record is None else record.key, path, NO_HEADER)

    def _one(
        self, session: Session, looks: dict[str, Look], folder: str, head: Head, record: Record | None
    ) -> Foreseen:
        headers = Headers.from_bytes(head.header)
        mark = self._fingerprints.of(headers)
        stays = record is not None and record.state is State.PENDING
        record = record or self._known(mark, head, folder, looks)
        key = self._next(mark) if record is None else MessageKey(record.key)
        verdict = record.verdict if record is not None and (stays or record.released) else None
        verdict = verdict or self._classify(headers, folder == self._layout.junk, head.keywords)
        if record is not None and record.state in _DONE:
            return Foreseen(key, verdict.path, f"nothing more: {record.state} before")
        return Foreseen(key, verdict.path, self._outcome(session, folder, head, key, verdict))

    def _known(self, mark: str, head: Head, folder: str, looks: dict[str, Look]) -> Record | None:
        """The known message that this is, if it is no longer where its row says; None: this is a new message."""
        found = [
            record
            for record in self._messages.with_fingerprints([mark]).get(mark, [])
            if record.id not in self._known_again
            and (
                record.state is State.GONE
                or ((look := looks.get(record.place.folder)) is not None and not look.holds(record))
            )
        ]
        best = which_of(found, head.size, Place(folder, looks[folder].state.uidvalidity, head.uid))
        if best is not None:
            self._known_again.add(best.id)
        return best

    def _next(self, mark: str) -> MessageKey:
        """The key that the next message with these headers gets."""
        if mark not in self._numbers:
            self._numbers[mark] = self._messages.look_alikes([mark]).get(mark, 0)
        self._numbers[mark] += 1
        return look_alike(mark, self._numbers[mark])

    def _outcome(self, session: Session, folder: str, head: Head, key: MessageKey, verdict: Verdict) -> str:
        if head.size > self._limits.message:
            return "dead letter: over [limits] message, never fetched"
        raw = head.header
        if verdict.path is MailPath.CLEAN:
            bodies = list(session.bodies([head.uid], cap=self._limits.message, expected=head.size))
            if not bodies:
                return "nothing yet: the server shows no content"
            raw = bodies[0].raw
        received = datetime.fromtimestamp(head.received_at, UTC)
        message = Message(raw, key=key, folder=folder, received_at=received, verdict=verdict, limits=self._limits)
        if message.stand_in is not None:
            return f"nothing yet: the server shows a stand-in for it ({message.stand_in})"
        try:
            routes = self._routes.handlers_for(message)
        except MessageError as error:
            return f"dead letter: {error.word}"
        return f"route '{routes[0][0]}': {', '.join(name for _, names in routes for name in names)}"
