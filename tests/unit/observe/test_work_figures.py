"""What routes and handlers did since the start."""

from datetime import UTC, datetime

from worker.message.outcome import State
from worker.observe.work_figures import LATEST, WorkFigures
from worker.observe.work_view import HandlerView, RouteView


def test_calls_are_counted_by_handler_with_median_and_slowest() -> None:
    now = iter([100.0, 200.0, 300.0, 400.0, 500.0])
    figures = WorkFigures(lambda: next(now))
    for outcome, seconds in [("done", 0.2), ("error", 9.0), ("retry", 1.0), ("reject", 0.1)]:
        figures.called("archive", outcome, seconds)
    archive, queue = figures.handlers(["archive", "queue"])
    assert archive == HandlerView(
        handler="archive",
        calls=4,
        failed=2,
        retried=1,
        median=0.6,
        slowest=9.0,
        slowest_at=datetime.fromtimestamp(200, UTC),
    )
    assert queue == HandlerView(handler="queue")


def test_the_median_is_of_the_latest_and_the_slowest_is_of_all() -> None:
    figures = WorkFigures(lambda: 0.0)
    for seconds in (60.0, *[0.5] * LATEST):
        figures.called("archive", "done", seconds)
    (archive,) = figures.handlers(["archive"])
    assert (archive.calls, archive.median, archive.slowest) == (LATEST + 1, 0.5, 60.0)


def test_messages_are_counted_by_route_in_the_order_of_the_settings() -> None:
    figures = WorkFigures(lambda: 0.0)
    for route, state in [
        ("junk", State.JUNK),
        ("second", State.HANDLED),
        ("second", State.PENDING),
        ("second", State.FAILED),
        (None, State.FAILED),
    ]:
        figures.tried(route, state)
    assert figures.routes(["first", "second"]) == (
        RouteView(route="first"),
        RouteView(route="second", done=1, failed=1, retried=1),
        RouteView(route="junk", done=1),
    )
