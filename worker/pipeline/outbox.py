"""The outbox: outcomes are first written to the disk, and only then shown in the mailbox."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from worker.handling.in_hand import Finished
from worker.handling.pool import Pool
from worker.journal.places import Places
from worker.journal.records import Place
from worker.mailbox.session import Session
from worker.message.outcome import Outcome, State
from worker.message.reasons import Reason
from worker.pipeline.admit import Admitted
from worker.pipeline.observer import Observer
from worker.pipeline.poll import Poll
from worker.pipeline.recognition import KnownAgain, Recognition
from worker.pipeline.recorder import Recorder
from worker.pipeline.report import Report
from worker.pipeline.settle import Settle
from worker.pipeline.settlement import Settlement
from worker.pipeline.stop import Permission
from worker.pipeline.whereabouts import Look

SETTLE_AT_ONCE = 200
"""How many messages to collect for one move while more outcomes are expected."""


class Outbox:
    """Drains the pool, has outcomes written down, and settles them a batch at a time."""

    def __init__(
        self,
        *,
        pool: Pool,
        recorder: Recorder,
        recognition: Recognition,
        settle: Settle,
        places: Places,
        poll: Poll,
        permission: Permission,
        observer: Observer,
        clock: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._recorder = recorder
        self._recognition = recognition
        self._settle = settle
        self._places = places
        self._poll = poll
        self._permission = permission
        self._observer = observer
        self._clock = clock
        self._other: list[Finished] = []
        """Messages that weren't handed over, because their content isn't what their headers say."""
        self._to_settle: list[Settlement] = []
        self._is_new_connection = True

    def connected(self) -> None:
        """There is a new connection: look for what is unsettled."""
        self._settle.forget_moves()
        self._to_settle.clear()
        self._is_new_connection = True

    def abandon(self) -> None:
        """The lease is lost: what is in hand here belongs to another worker now, so its outcomes aren't recorded."""
        self._pool.forget()
        self._recorder.forget()
        self._other.clear()
        self._settle.forget_moves()
        self._to_settle.clear()

    def record(self, wait: float = 0) -> Report:
        """Write down what came back from the pool. wait: wait at most so many seconds for the first message."""
        self._take(self._pool.finished(wait))
        return self._record()

    def drain(self, grace: float, monotonic: Callable[[], float]) -> Report:
        """Wait at most so many seconds for everything in hand, and write down what came back."""
        until = monotonic() + grace
        while self._pool and (left := until - monotonic()) > 0:
            self._take(self._pool.finished(left))
        if self._pool:  # what came back at the last moment, or needed no handler
            self._take(self._pool.finished(0))
        return self._record()

    def settle(self, session: Session, *, everything: bool) -> None:
        """Make the mailbox show the recorded outcomes, except those of messages that `settle_alone` moves.

        everything: don't wait until there are enough for a batch.
        """
        self._settle.record_moves(wait=False)
        going = [item for item in self._to_settle if not self._settle.is_suspect(item)]
        if going and (everything or len(going) >= SETTLE_AT_ONCE):
            self._move(session, going)
        if everything:
            self._settle.record_moves(wait=True)

    def settle_alone(self, session: Session) -> None:
        """Move the messages at whose move a connection ended, one at a time.

        Call this when all other work of the poll is done: the connection may end again.
        """
        due = self._settle.suspects_due(self._to_settle)
        if due:
            self._settle.record_moves(wait=True)  # so that each is in flight alone
        for item in due:
            self._move(session, [item], alone=True)

    def _move(self, session: Session, going: Sequence[Settlement], *, alone: bool = False) -> None:
        self._permission.go_on()
        if session.idling:
            session.idle_done()
        rows = {item.id for item in going}
        # first: an error must not have any of them moved twice
        self._to_settle = [item for item in self._to_settle if item.id not in rows]
        for folder in self._settle.settle(session, going, alone=alone):
            self._poll.look_again(folder)

    def resume(self, session: Session, looks: Sequence[Look]) -> None:
        """Settle what an earlier connection left unsettled, and what the server refused long enough ago."""
        self._settle.record_moves(wait=True)
        for look in looks:
            self._places.misplaced(list(look.displaced))
            self.relocated(look.displaced)
        if self._settle.ask_again() or self._is_new_connection:
            self._to_settle = self._settle.resume(session, looks)
            self.settle(session, everything=True)
            self._is_new_connection = False

    def rejudged(self, row: int) -> None:
        """The message changed its path, or is to be handled again."""
        self._recorder.rejudged(row)

    def relocated(self, places: Mapping[int, Place]) -> None:
        """Messages lie elsewhere than we thought. places: where they lie now, as far as we know, by row id."""
        if places:
            # first, or what is recorded of a move later would replace what was found since
            self._settle.record_moves(wait=True)
        self._recorder.relocated(places)
        self._to_settle = [item for item in self._to_settle if item.id not in places]

    def follow(self, admitted: Admitted) -> Report:
        """Move no message from its old place. One that may stay where somebody moved it counts as settled there."""
        self.relocated({record.id: replace(record.place, uid=None) for record in admitted.lost})
        self._follow(admitted.again)
        for record, reason in admitted.headless:
            self._recorder.put(record, Outcome(State.FAILED, reason=reason))
        return self._record()

    def _follow(self, known: KnownAgain) -> None:
        if known.places:
            self._settle.record_moves(wait=True)  # as in `relocated`
        for record in (*known.rejudged, *known.released):  # first: the journal has their new places already
            self.rejudged(record.id)
        again = {record.id for record, _ in known.moved_back}
        again |= {record.id for record in (*known.rejudged, *known.released)}
        stays = {item.id for item in self._to_settle if item.id not in again} & known.places.keys()
        self._places.settled([(row, known.places[row]) for row in sorted(stays)], self._clock())
        self.relocated(known.places)
        self._to_settle += [
            Settlement(record.id, record.fingerprint, place, record.settle_to)
            for record, place in known.moved_back
            if record.settle_to is not None
        ]

    def _take(self, finished: Sequence[Finished]) -> None:
        other = [item for item in finished if item.outcome.reason == Reason.OTHER_CONTENT.stored()]
        self._other += other
        self._recorder.add(item for item in finished if item not in other)

    def _record(self) -> Report:
        recorded = self._recorder.record()
        self._to_settle += recorded.settlements
        for record in recorded.lost:
            self._poll.look_again(record.place.folder)
        if recorded.new:
            self._observer.new(recorded.new)
        report = Report(outcomes=recorded.outcomes, new=recorded.new)
        while self._other:
            report += self._decide(self._other[-1])
            self._recorder.discard(self._other.pop().record.id)
        return report

    def _decide(self, item: Finished) -> Report:
        """What the message is, since it isn't what its headers say. Doing so twice does no harm."""
        known = self._recognition.by_content(item.record, item.outcome.content or "")
        self._follow(known)
        self._poll.look_again(item.record.place.folder)
        return Report(compared=1, moved_back=len(known.moved_back))
