"""What people asked for is done here, by the worker that holds the lease: releases and retries."""

from collections.abc import Callable, Iterable

from worker.journal.intents import Intent, Intents, Kind
from worker.journal.messages import Messages
from worker.journal.records import Place, Record
from worker.logs import get_logger
from worker.logs.redaction import as_word
from worker.mailbox.folders import Layout
from worker.mailbox.session import Session
from worker.message.outcome import State
from worker.message.verdict import Evidence, Path, Verdict
from worker.pipeline.settle import Settle

log = get_logger()

RELEASED = Evidence("release", None, "released", "a person said that it is clean", counts=False)


def is_junk(record: Record) -> bool:
    """Whether a release can be meant. The state counts as well as the path: what is in junk can be released, always.

    What was handled can't, even where its path says junk: a clean handler had it when it was moved to the junk folder.
    """
    on_the_path = record.verdict.path is Path.JUNK
    return record.state is State.JUNK or (on_the_path and record.state is not State.HANDLED)


class CarryOut:
    """Opens messages again and brings them back into the first watched folder. Doing so twice does no harm.

    absent: the keys of those that didn't lie where they should, the last time.
    """

    def __init__(
        self, intents: Intents, messages: Messages, settle: Settle, layout: Layout, clock: Callable[[], float]
    ) -> None:
        self._intents = intents
        self._messages = messages
        self._settle = settle
        self._layout = layout
        self._clock = clock
        self.absent: tuple[str, ...] = ()

    def __call__(self, session: Session, opened: Callable[[int], None] = lambda _row: None) -> dict[int, Place]:
        """Carry out everything that was asked for; returns where what is to be handled anew lies now, by its row's id.

        opened: told of each row as soon as the journal says so: what a try on its former path comes to holds no more,
        even where the connection is lost before the mailbox shows anything.

        The journal knows before the mailbox shows it: a message that was opened again and not yet moved is handled from
        where it lies.
        """
        intents = self._intents.open()
        if not intents:
            return {}
        known = {record.key: record for record in self._messages.with_keys([intent.key for intent in intents])}
        for intent in intents:
            if (record := known.get(intent.key)) and self._reopen(intent, record):
                opened(record.id)
        absent = self._settle.bring_back(session, self._pending(known), self._layout.folders[0])
        self.absent = tuple(record.key for record in absent)
        self._intents.done([intent.id for intent in intents], self._clock())
        return {record.id: record.place for record in self._pending(known)}

    def _pending(self, keys: Iterable[str]) -> list[Record]:
        return [record for record in self._messages.with_keys(list(keys)) if record.state is State.PENDING]

    def _reopen(self, intent: Intent, record: Record) -> bool:
        match intent.kind:
            case Kind.RELEASE if is_junk(record):
                evidence = (*record.verdict.evidence, RELEASED)
                self._messages.reopen(record.id, verdict=Verdict(Path.CLEAN, evidence), released_at=self._clock())
                log.info("message.released", key=record.key, actor=as_word(intent.actor))
                return True
            case Kind.RETRY if record.state is State.FAILED:
                self._messages.reopen(record.id)
                log.info("message.retried", key=record.key, actor=as_word(intent.actor))
                return True
            case _:
                return False  # done already, or no longer so
