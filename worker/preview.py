"""What each message would come to, without handing over, recording or moving anything."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.admit import Classify
from worker.handle import Routes
from worker.headers import Headers
from worker.journal.messages import Messages, Record
from worker.key import MessageKey, fingerprint
from worker.mailbox.folders import Layout
from worker.mailbox.session import FolderState, Head, Session
from worker.message import Limits, Message, MessageError
from worker.outcome import State
from worker.verdict import Path, Verdict

AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a message would come to. outcome: a sentence for a person, without content of the message."""

    key: str
    path: Path
    outcome: str


class Preview:
    """Looks at what is new or pending, and asks the rules."""

    def __init__(
        self,
        messages: Messages,
        *,
        account: str,
        layout: Layout,
        classify: Classify,
        routes: Routes,
        limits: Limits,
        since: datetime | None,
    ) -> None:
        self._messages = messages
        self._account = account
        self._layout = layout
        self._classify = classify
        self._routes = routes
        self._limits = limits
        self._since = since

    def foresee(self, session: Session) -> Iterator[Foreseen]:
        """Each message that a drain would take up now, in the order of the folders. May raise `MailboxError`."""
        for folder in self._layout.watched:
            state = session.select(folder)
            known = {record.place.uid: record for record in self._messages.in_folder(folder) if _here(record, state)}
            since = None if self._since is None else self._since.date()
            present = sorted(session.search(uidnext=state.uidnext, since=since)) if state.messages else []
            open_ = [uid for uid in present if uid not in known or known[uid].state is State.PENDING]
            for start in range(0, len(open_), AT_ONCE):
                yield from self._chunk(session, folder, session.heads(open_[start : start + AT_ONCE]), known.get)

    def _chunk(
        self, session: Session, folder: str, heads: Sequence[Head], known: Callable[[int], Record | None]
    ) -> Iterator[Foreseen]:
        for head in heads:
            headers = Headers.from_bytes(head.header)
            record = known(head.uid)
            verdict = record.verdict if record is not None else None
            if verdict is None:
                verdict = self._classify(headers, folder == self._layout.junk, head.keywords)
            key = MessageKey(record.key if record is not None else fingerprint(self._account, headers))
            yield Foreseen(key, verdict.path, self._outcome(session, folder, head, key, verdict))

    def _outcome(self, session: Session, folder: str, head: Head, key: MessageKey, verdict: Verdict) -> str:
        if head.size > self._limits.message:
            return "dead letter: over [limits] message, never fetched"
        raw = head.header
        if verdict.path is Path.CLEAN:
            bodies = list(session.bodies([head.uid], cap=self._limits.message, expected=head.size))
            if not bodies:
                return "nothing yet: the server shows no content"
            raw = bodies[0].raw
        received = datetime.fromtimestamp(head.received_at, UTC)
        message = Message(raw, key=key, folder=folder, received_at=received, verdict=verdict, limits=self._limits)
        try:
            routes = self._routes.handlers_for(message)
        except MessageError as error:
            return f"dead letter: {error.word}"
        return f"route '{routes[0][0]}': {', '.join(name for _, names in routes for name in names)}"


def _here(record: Record, state: FolderState) -> bool:
    return record.place.uidvalidity == state.uidvalidity and record.place.uid is not None
