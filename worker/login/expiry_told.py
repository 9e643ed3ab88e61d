"""Which warnings about what expires were given: the memory by which each is given once."""

from typing import Final

from worker.login.password_policy import DAY


class Told:
    """Which warnings about one thing were given, as a short text that outlives the process.

    Each end has its own, so that two replicas whose settings differ don't make each other repeat theirs.
    """

    MOST: Final = 6
    """Of how many ends it remembers the last warning."""

    def __init__(self, text: str | None) -> None:
        self._last: dict[str, tuple[int, float]] = {}
        for part in (text or "").split():
            try:
                ends, due, at = part.split(":")
                self._last[ends] = int(due), float(at)
            except ValueError:
                continue  # a warning that is given twice is better than one that isn't given

    def is_news(self, expires_at: float, due: int, now: float) -> bool:
        """Whether this warning, or a later one about the same end, hasn't been given.

        What was given more than a day after `now` was given by a clock that was ahead, and doesn't count.
        """
        last, at = self._last.get(f"{expires_at:.0f}", (None, now))
        return last is None or due < last or at > now + DAY

    def add(self, expires_at: float, due: int, now: float) -> str:
        """Note that it was given now, and return the text."""
        ends = f"{expires_at:.0f}"
        self._last.pop(ends, None)
        self._last[ends] = due, now
        latest = list(self._last.items())[-self.MOST :]
        return " ".join(f"{end}:{last}:{at:.0f}" for end, (last, at) in latest)
