"""Messages that were laid aside, because a handler of theirs has no free slot. They hold no thread meanwhile."""

import threading
from collections.abc import Sequence

from worker.handling.gate import Slots
from worker.handling.in_hand import InHand
from worker.handling.line import Line


class Aside:
    """Each message is put back into the line once a slot may be free for it. Thread-safe."""

    def __init__(self, line: Line[InHand]) -> None:
        self._line = line
        self._items: dict[int, InHand] = {}
        self._lock = threading.Lock()

    def lay(self, item: InHand, slots: Slots) -> None:
        """Lay a message aside until one of these slots is free."""
        with self._lock:
            self._items[item.record.id] = item
        self._take_up_when_free(slots)

    def pass_on(self, items: Sequence[InHand]) -> None:
        """These are out of the line, where they may have to wait: what is free for one of them is free for others."""
        for item in items:
            if item.waits_for is None:
                self._line.put(item)
            else:
                self.lay(item, item.waits_for)

    def drain(self) -> list[InHand]:
        """Take all messages back."""
        with self._lock:
            items = list(self._items.values())
            self._items.clear()
            return items

    def drain_slow(self) -> list[InHand]:
        """Take those back whose senders' mail is slow, from the line as well."""
        with self._lock:
            aside = [item for item in self._items.values() if self._line.is_slow(item.sender)]
            for item in aside:
                del self._items[item.record.id]
        waiting = self._line.drain_slow()
        for slots in [item.waits_for for item in waiting if item.waits_for is not None]:
            self._take_up_when_free(slots)  # what was free for them is free for others
        return [*aside, *waiting]

    def _take_up_when_free(self, slots: Slots) -> None:
        slots.when_free(lambda: self._take_up(slots))

    def _take_up(self, slots: Slots) -> bool:
        """Queue one of the messages that wait for these slots, now that one is free. False if none waits any more."""
        with self._lock:
            item = self._line.choose([item for item in self._items.values() if item.waits_for is slots])
            if item is None:
                return False
            del self._items[item.record.id]
        self._line.put(item)
        return True
