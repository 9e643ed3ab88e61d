"""Turns: which of the due messages may be handed over now.

Two things hold a message back, and neither spends a try. Either its handler is paused; once the pause is over, one
message at a time is let through as a trial. Or its route wants each sender's mail in order, and an earlier message of
the sender isn't done.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from worker.handling.circuit import TRIAL_WAIT, Circuit
from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.journal.tries import Tries
from worker.message.reasons import Reason
from worker.message.verdict import MailPath

LOOK_AGAIN = 30.0
"""Seconds until we ask again whether an earlier message is done, if no time is set for its next try."""
LONGEST = 300.0
"""Seconds after which we ask in any case: the earlier message may be done or gone before its next try."""


class Turns:
    """Asked by the pipeline's thread before messages are handed over. Any thread may call `routed`."""

    def __init__(
        self,
        *,
        messages: Messages,
        tries: Tries,
        clock: Callable[[], float],
        circuits: Mapping[str, Circuit] | None = None,
        ordered: Collection[str] = (),
    ) -> None:
        """circuits: by handler name. ordered: the routes that want order."""
        self._messages = messages
        self._tries = tries
        self._clock = clock
        self._circuits = circuits or {}
        self._ordered = frozenset(ordered)
        self._free: set[str] = set()
        self._resumed: dict[str, int] = {}

    @property
    def keep_order(self) -> bool:
        """Whether any route wants order."""
        return bool(self._ordered)

    def routed(self, key: str, routes: Collection[str]) -> None:
        """A message takes these routes. If none of them wants order, it holds no other message back."""
        if self._ordered and self._ordered.isdisjoint(routes):
            self._free.add(key)

    def begin(self) -> None:
        """Begin under the lease: messages that wait for a handler that an earlier process paused may be tried."""
        for name in self._circuits:
            self._tries.postpone_all(Reason.PAUSED.stored(name), None)

    def resume(self) -> None:
        """Messages that wait for handlers that are no longer paused may be tried."""
        for name, circuit in self._circuits.items():
            opened = circuit.times_opened
            if circuit.wait is None and opened != self._resumed.get(name, 0):
                self._tries.postpone_all(Reason.PAUSED.stored(name), None)
                self._resumed[name] = opened

    def of(self, due: Sequence[Record]) -> tuple[list[Record], bool]:
        """Those whose turn it is, and whether more may follow once these are done. The others are put off."""
        return self._in_order(self._without_paused(due))

    def _without_paused(self, due: Sequence[Record]) -> list[Record]:
        """Leave out those that wait for a paused handler, except one for each handler whose pause is over."""
        held: dict[str, list[Record]] = {}
        for record in due:
            if (name := record.paused_handler) in self._circuits:
                held.setdefault(name, []).append(record)
        kept_back: set[int] = set()
        for name, records in held.items():
            wait = self._circuits[name].wait
            if wait is None:
                continue
            kept_back |= {record.id for record in (records[1:] if wait == 0 else records)}
            self._tries.postpone_all(Reason.PAUSED.stored(name), self._clock() + (wait or TRIAL_WAIT))
        return [record for record in due if record.id not in kept_back]

    def _in_order(self, due: list[Record]) -> tuple[list[Record], bool]:
        if not self._ordered:
            return due, False
        waiting = self._messages.pending_by_sender()
        self._free &= {key for rows in waiting.values() for _, key, _ in rows}
        first = {
            sender: next(((row, next_at) for row, key, next_at in rows if key not in self._free), None)
            for sender, rows in waiting.items()
        }
        go = [record for record in due if self._is_first(record, first)]
        going = {record.id for record in go}
        later: dict[int, float] = {}
        more = False
        for record in due:
            before = first.get(record.sender or "")
            if record.id in going or before is None:
                continue
            if before[0] in going:
                more = True
            else:
                now = self._clock()
                known = before[1] is not None and before[1] > now
                later[record.id] = min(before[1] or 0.0, now + LONGEST) if known else now + LOOK_AGAIN
        self._tries.postpone(later)
        return go, more

    def _is_first(self, record: Record, first: Mapping[str, tuple[int, float | None] | None]) -> bool:
        if record.sender is None or record.key in self._free:
            return True
        if record.verdict.path is not MailPath.CLEAN:
            return True
        before = first.get(record.sender)
        return before is None or before[0] == record.id
