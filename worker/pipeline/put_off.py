"""What is put off because it ended the connection: headers and moves that would otherwise keep all others waiting."""

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

K = TypeVar("K")


class PutOff(Generic[K]):
    """Remembers what is put off.

    It is left out the next time in any case, and then for its wait: so other work gets through in between, however
    seldom the mailbox is polled.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[K, float | None] = {}
        """When each may have its turn again (epoch s). None: that time is set when its turn comes next."""

    def __bool__(self) -> bool:
        return bool(self._until)

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._until))

    def add(self, keys: Iterable[K]) -> None:
        """Put these off, from their next turn on."""
        self._until |= dict.fromkeys(keys)

    def forget(self, key: K) -> None:
        """This isn't put off any more, if it was."""
        self._until.pop(key, None)

    def waits(self, key: K, wait: float) -> bool:
        """Whether to leave this out now. wait: seconds for which it is left out after its next turn."""
        if key not in self._until:
            return False
        now, until = self._clock(), self._until[key]
        if until is None:
            self._until[key] = now + wait
        elif not now < until <= now + wait:
            del self._until[key]
            return False
        return True
