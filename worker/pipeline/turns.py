"""Turns: which of the due messages may be handed over now.

Two things hold a message back, and neither spends a try. Either its route wants each sender's mail in order, and an
earlier message of the sender isn't done (`worker/pipeline/order.py`). Or its handler is paused, and another message is
tried first (`worker/pipeline/trials.py`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from worker.handling.circuit import Circuit
from worker.journal.messages import Messages
from worker.journal.records import Record
from worker.journal.tries import Tries
from worker.pipeline.order import Hands, Order, OrderRules
from worker.pipeline.trials import Trials


class Turns:
    """Asked by the pipeline's thread before messages are handed over. Any thread may call `routed`."""

    def __init__(
        self,
        *,
        messages: Messages,
        tries: Tries,
        clock: Callable[[], float],
        circuits: Mapping[str, Circuit] | None = None,
        order: Mapping[str, OrderRules] | None = None,
    ) -> None:
        """circuits: by handler name. order: of each route that wants order, by its name."""
        self._order = Order(messages=messages, tries=tries, clock=clock, rules=order or {})
        self._trials = Trials(
            messages=messages, tries=tries, clock=clock, circuits=circuits or {}, in_order=bool(order)
        )

    @property
    def keep_order(self) -> bool:
        """Whether any route wants order."""
        return self._order.is_kept

    @property
    def holds_back(self) -> bool:
        """Whether a message may have to wait for another one: for its sender's, or for a trial."""
        return self._order.is_kept or self._trials.are_on

    @property
    def more(self) -> bool:
        """Whether messages that waited for a paused handler may be handed over at once."""
        return self._trials.more

    def routed(self, key: str, routes: Collection[str]) -> None:
        """A message takes these routes. If none of them wants order, it holds no other message back."""
        self._order.routed(key, routes)

    def begin(self) -> None:
        """Begin under the lease: messages that wait for a handler that an earlier process paused may be tried."""
        self._order.begin()
        self._trials.begin()

    def resume(self) -> None:
        """Messages that wait for handlers that are no longer paused may be tried."""
        self._trials.release()

    def of(self, due: Sequence[Record], hands: Hands) -> tuple[list[Record], bool]:
        """Those whose turn it is, and whether more may follow once these are done. The others are put off.

        Order comes first: the one message that is let through as a trial mustn't be held by its sender's earlier mail.
        """
        go, more = self._order.of(due, hands)
        return self._trials.of(go), more
