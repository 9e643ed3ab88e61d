"""What was done lately, as the page shows it: outcomes by the hour and the day, and the work of routes and handlers."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesView:
    """The messages that came to their outcome in the hour, or on the day (UTC), that begins at `at`."""

    at: datetime
    handled: int = 0
    junk: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.handled + self.junk + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteView:
    """The messages of a route since the process began: done, dead letters, and tries that another one follows."""

    route: str
    done: int = 0
    failed: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerView:
    """The calls of a handler since the process began.

    failed: those that ended in an error or a rejection; retried: those that asked for a later try. median: of the
    latest calls, in seconds; slowest: of all. Both are None before the first call ended. slowest_at: when that ended.
    """

    handler: str
    calls: int = 0
    failed: int = 0
    retried: int = 0
    median: float | None = None
    slowest: float | None = None
    slowest_at: datetime | None = None
