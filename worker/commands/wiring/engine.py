"""Puts the engine together: the loop with all its stages."""

from datetime import timedelta
from typing import Any

from worker.handling.routing.router import JUNK_ROUTE
from worker.journal.records import Record, Result
from worker.message.outcome import State
from worker.observe.progress import Drain
from worker.settings import (
    JunkSettings,
    RouteSettings,
    Settings,
)


class Backoff:
    """The routes' tries and waits, and those of the junk path; for what comes to no route, the last route's."""

    def __init__(self, settings: Settings) -> None:
        self._routes: dict[str, RouteSettings | JunkSettings] = {route.name: route for route in settings.routes}
        self._routes[JUNK_ROUTE] = settings.junk
        self._last = settings.routes[-1]

    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        """The wait before the next try; None: that was the last."""
        rule = self._routes.get(route or "", self._last)
        if failures >= rule.tries:
            return None
        return rule.waits[min(failures, len(rule.waits)) - 1]


def counting(drain: Drain) -> Any:
    def count(record: Record, result: Result) -> None:
        del record
        if result.state is not State.PENDING:
            drain.finished()

    return count
