"""Whose turn it is: of what is due, what may be handed over now.

Two things hold a message back, and neither spends a try. Its handler is paused: then one message a time goes, as the
trial. Or its route asks for the order of its sender's mail, and an earlier message of that sender isn't done.
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from worker.handling.circuit import TRIAL_WAIT, Circuit
from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.journal.tries import Tries
from worker.message.reasons import Reason
from worker.message.verdict import MailPath

LOOK_AGAIN = 30.0
"""Seconds after which it is asked again whether an earlier message is done, where nobody knows when it will be."""
LONGEST = 300.0
"""Seconds after which that is asked in any case: it may have been done, or taken away, before its time."""


class Turns:
    """Asked before each hand-over, by the pipeline's thread. `routed` may be told by any."""

    def __init__(
        self,
        *,
        messages: Messages,
        tries: Tries,
        clock: Callable[[], float],
        circuits: Mapping[str, Circuit] | None = None,
        ordered: Collection[str] = (),
    ) -> None:
        """circuits: by the handlers' names. ordered: the routes that ask for order."""
        self._messages = messages
        self._tries = tries
        self._clock = clock
        self._circuits = circuits or {}
        self._ordered = frozenset(ordered)
        self._free: set[str] = set()
        self._resumed: dict[str, int] = {}

    @property
    def keep_order(self) -> bool:
        """Whether a route asks for order."""
        return bool(self._ordered)

    def routed(self, key: str, routes: Collection[str]) -> None:
        """A message goes by these routes: where none of them asks for order, it holds no other back."""
        if self._ordered and self._ordered.isdisjoint(routes):
            self._free.add(key)

    def begin(self) -> None:
        """At the start of a run: what waits for a handler that an earlier run had paused may be tried."""
        for name in self._circuits:
            self._tries.postpone_all(Reason.PAUSED.stored(name), None)

    def resume(self) -> None:
        """What waits for handlers that aren't paused any more may be tried."""
        for name, circuit in self._circuits.items():
            opened = circuit.times_opened
            if circuit.wait is None and opened != self._resumed.get(name, 0):
                self._tries.postpone_all(Reason.PAUSED.stored(name), None)
                self._resumed[name] = opened

    def of(self, due: Sequence[Record]) -> tuple[list[Record], bool]:
        """Those whose turn it is; the others are put off. And whether there may be more once these are done."""
        return self._in_order(self._without_paused(due))

    def _without_paused(self, due: Sequence[Record]) -> list[Record]:
        """Without those that wait for a handler that is paused, save one of each when its pause is over."""
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
