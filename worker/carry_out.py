"""What people asked for is done here, by the worker that holds the lease: releases and retries."""

from collections.abc import Callable

from worker.journal.intents import Intent, Intents, Kind
from worker.journal.messages import Messages, Record
from worker.mailbox.folders import Layout
from worker.mailbox.session import Session
from worker.observe import get_logger
from worker.observe.redact import as_word
from worker.outcome import State
from worker.settle import Settle
from worker.verdict import Evidence, Path, Verdict

log = get_logger()

RELEASED = Evidence("release", None, "released", "a person said that it is clean", counts=False)


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

    def __call__(self, session: Session) -> int:
        """Carry out everything that was asked for; returns how many messages are to be handled anew.

        The journal knows before the mailbox shows it: a message that was opened again and not yet moved is handled from
        where it lies.
        """
        intents = self._intents.open()
        if not intents:
            return 0
        known = {record.key: record for record in self._messages.with_keys([intent.key for intent in intents])}
        opened = [record.id for intent in intents if (record := known.get(intent.key)) and self._reopen(intent, record)]
        again = [record for record in self._messages.with_keys(list(known)) if record.state is State.PENDING]
        absent = self._settle.bring_back(session, again, self._layout.folders[0])
        self.absent = tuple(record.key for record in absent)
        self._intents.done([intent.id for intent in intents], self._clock())
        return len(opened)

    def _reopen(self, intent: Intent, record: Record) -> bool:
        match intent.kind:
            case Kind.RELEASE if record.verdict is not None and record.verdict.path is Path.JUNK:
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
