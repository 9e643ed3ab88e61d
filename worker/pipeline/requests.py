"""Carries out what people asked for: releases, retries, redeliveries. Only the holder of the lease does so."""

from collections.abc import Callable, Iterator, Sequence

from worker.journal.intents import Intent, Intents, Kind
from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.logs.log import get_logger
from worker.logs.redaction import as_word
from worker.mailbox.folders import Layout
from worker.mailbox.session import Session
from worker.message.outcome import State
from worker.message.verdict import Evidence, MailPath, Verdict
from worker.pipeline.opened import Opened
from worker.pipeline.redelivery import Redelivery
from worker.pipeline.settle import Settle
from worker.pipeline.whereabouts import Look, select_and_list

log = get_logger()

RELEASED = Evidence("release", None, "released", "a person said that it is clean", counts=False)


def is_junk(record: Record) -> bool:
    """Whether the message can be released. The state counts as well as the path: whatever is junk can be released.

    A handled message can't, even if its path says junk: a clean handler had it before it went to the junk folder.
    """
    on_the_path = record.verdict.path is MailPath.JUNK
    return record.state is State.JUNK or (on_the_path and record.state is not State.HANDLED)


class Requests:
    """Reopens messages and moves them back into the first watched folder. Doing so twice does no harm.

    Messages that are to be handled again stay where they lie. For the others, the journal is written before the mailbox
    is changed: a message that was reopened and not yet moved is handled from where it lies.
    """

    def __init__(
        self,
        intents: Intents,
        messages: Messages,
        settle: Settle,
        layout: Layout,
        redelivery: Redelivery,
        clock: Callable[[], float],
    ) -> None:
        self._intents = intents
        self._messages = messages
        self._settle = settle
        self._layout = layout
        self._redelivery = redelivery
        self._clock = clock
        self._open: list[Intent] = []
        self._moving: list[Intent] = []
        """Requests about messages that are done and whose move isn't recorded: they may be in either folder."""
        self._again: list[Intent] = []

    def carry_out(self, session: Session) -> Opened:
        """Reopen what was asked for and bring it back. For a command while no worker runs: no message is in hand."""
        for _ in self.reopen():
            pass
        return self.bring_back(session)

    def reopen(self) -> Iterator[int]:
        """Reopen in the journal everything that was asked for; yields each row as soon as the journal has it.

        From then on, the outcome of a try on the former path no longer counts, even if the connection is lost before
        the mailbox shows anything.
        """
        intents = self._intents.open()
        self._again = [intent for intent in intents if intent.kind is Kind.HANDLE]
        self._open = [intent for intent in intents if intent.kind is not Kind.HANDLE]
        keys = [intent.key for intent in self._open]
        known = {record.key: record for record in self._messages.with_keys(keys)} if keys else {}
        self._moving = []
        for intent in self._open:
            record = known.get(intent.key)
            if record is None:
                continue
            if record.is_moving:
                self._moving.append(intent)  # it is reopened once we know where the message is
            elif self._reopen(intent, record):
                yield record.id

    def bring_back(self, session: Session) -> Opened:
        """Move the reopened messages into the first watched folder; the requests are then done.

        Messages that are to be handled again are opened now, because only the mailbox shows whether they are there.
        """
        again, self._again = self._again, []
        return self._bring_back(session) + self._redelivery.open(session, again)

    def _bring_back(self, session: Session) -> Opened:
        if not self._open:
            return Opened({})
        self._reopen_what_was_moving(session)
        keys = [intent.key for intent in self._open]
        absent = self._settle.bring_back(session, self._pending(keys), self._layout.watched[0])
        self._intents.done([intent.id for intent in self._open], self._clock())
        self._open = []
        places = {record.id: record.place for record in self._pending(keys)}
        return Opened(places, tuple(record.key for record in absent))

    def _reopen_what_was_moving(self, session: Session) -> None:
        """Look where these messages are, and then reopen them: once they are open, nothing says where they were to go.

        Nobody has them in hand.
        """
        moving, self._moving = self._moving, []
        if not moving:
            return
        self._settle.record_moves(wait=True)
        keys = [intent.key for intent in moving]
        records = [record for record in self._messages.with_keys(keys) if record.is_moving]
        folders = {record.place.folder for record in records}
        looks = [_look(session, folder) for folder in self._layout.watched if folder in folders]
        self._settle.resume(session, looks, records)  # the others' turn is after the poll's own look
        known = {record.key: record for record in self._messages.with_keys(keys)}
        for intent in moving:
            if record := known.get(intent.key):
                self._reopen(intent, record)

    def _pending(self, keys: Sequence[str]) -> list[Record]:
        return [record for record in self._messages.with_keys(keys) if record.state is State.PENDING]

    def _reopen(self, intent: Intent, record: Record) -> bool:
        match intent.kind:
            case Kind.RELEASE if is_junk(record):
                evidence = (*record.verdict.evidence, RELEASED)
                self._messages.reopen(record.id, verdict=Verdict(MailPath.CLEAN, evidence), released_at=self._clock())
                log.info("message.released", key=record.key, actor=as_word(intent.actor))
                return True
            case Kind.RETRY if record.state is State.FAILED:
                self._messages.reopen(record.id)
                log.info("message.retried", key=record.key, actor=as_word(intent.actor))
                return True
            case _:
                return False  # already done, or it no longer applies


def _look(session: Session, folder: str) -> Look:
    """What is in this folder now."""
    state, uids = select_and_list(session, folder)
    return Look(folder, state, frozenset(uids), (), (), ())
