"""Has messages handled again that were handled before, as a person asked. They are handled from where they lie."""

from collections.abc import Callable, Sequence

from worker.journal.intents import Intent, Intents
from worker.journal.messages import Messages
from worker.journal.records import Place, Record
from worker.logs.log import get_logger
from worker.logs.redaction import as_word
from worker.mailbox.folder_opening import Unopened, try_select
from worker.mailbox.session import Session
from worker.message.outcome import State
from worker.pipeline.opened import Opened
from worker.pipeline.whereabouts import Whereabouts

log = get_logger()

AGAIN = (State.HANDLED, State.JUNK)
"""The states of messages that can be handled again."""


class Redelivery:
    """Opens messages again. Nothing is moved, so wherever the process dies, the message lies where it lay.

    A request counts once: the message's count and the end of the request are written in one transaction.
    """

    def __init__(
        self, *, intents: Intents, messages: Messages, whereabouts: Whereabouts, clock: Callable[[], float]
    ) -> None:
        self._intents = intents
        self._messages = messages
        self._whereabouts = whereabouts
        self._clock = clock
        self._missed: set[int] = set()
        """Requests whose message wasn't there at the last look."""

    def open(self, session: Session, requests: Sequence[Intent]) -> Opened:
        """Make these messages pending again, each with the next count. One request for each message at a time.

        A request waits while its message is pending, or isn't yet where its outcome sends it: both need their end
        first. It also waits until the message's folder is opened. Those for messages that aren't there at two looks
        are done, and so are those for messages that can't be handled again.
        """
        if not requests:
            return Opened({})
        known = {record.key: record for record in self._messages.with_keys([one.key for one in requests])}
        first: dict[str, Intent] = {}
        over: list[Intent] = []
        waiting: dict[str, None] = {}
        for request in requests:
            record = known.get(request.key)
            if record is None or (record.state not in AGAIN and record.state is not State.PENDING):
                over.append(request)
            elif request.key in first or record.state is State.PENDING or not record.settled:
                waiting[request.key] = None
            else:
                first[request.key] = request
        there, unseen = self._there(session, [known[key] for key in first])
        opened: dict[int, Place] = {}
        absent: list[str] = []
        for key, request in first.items():
            place = there.get(known[key].id)
            if known[key].id in unseen:
                waiting[key] = None
            elif place is None and request.id not in self._missed:
                self._missed.add(request.id)  # somebody may have moved it back: this poll's look at the mailbox tells
                waiting[key] = None
            elif place is None:
                absent.append(key)
                over.append(request)
                log.warning("message.not_there", key=key, folder=known[key].place.folder)
            elif self._open(request, known[key]):
                opened[known[key].id] = place
        if over:
            self._intents.done([request.id for request in over], self._clock())
        return Opened(opened, tuple(absent), tuple(waiting))

    def _open(self, request: Intent, record: Record) -> bool:
        opened = self._messages.redeliver(record, only=request.handler, request=request.id, now=self._clock())
        if opened:
            about = {} if request.handler is None else {"handler": request.handler}
            count = record.redelivery + 1
            log.info("message.handled_again", key=record.key, actor=as_word(request.actor), redelivery=count, **about)
        return opened

    def _there(self, session: Session, records: Sequence[Record]) -> tuple[dict[int, Place], set[int]]:
        """Where those of these messages lie that are still in their folders, by row id.

        Also returns the rows of those of which nobody knows, because their folders aren't opened now.
        """
        places: dict[int, Place] = {}
        unseen: set[int] = set()
        for folder in dict.fromkeys(record.place.folder for record in records if not record.is_deleted):
            here = [record for record in records if record.place.folder == folder and not record.is_deleted]
            state = try_select(session, folder)
            if isinstance(state, Unopened):
                unseen.update(record.id for record in here if state is Unopened.NOT_NOW)
                continue
            placed = {record.id: record.place for record in here if record.place.holds_in(state)}
            uids = session.present([place.uid for place in placed.values() if place.uid is not None])
            places |= {row: place for row, place in placed.items() if place.uid in uids}
            if lost := [record for record in here if record.id not in places]:
                places |= self._whereabouts.find_again(session, folder, state, lost)
        return places, unseen
