"""The state for those who ask often."""

from tests.unit.observe import views
from worker.observe.last_known import LastKnown


def test_the_state_is_read_once_a_second_and_the_last_known_kept() -> None:
    now = [1000.0]
    source = views.Source(views.WORKING, OSError("lost"), views.BACKLOG)
    known = LastKnown(source, account="a@nhs.net", clock=lambda: now[0])
    assert known.view() is known.view() is views.WORKING
    now[0] += 1
    lost = known.view()
    assert (lost.journal_ok, lost.messages) == (False, views.WORKING.messages)
    assert lost.now.timestamp() == 1001
    now[0] += 1
    assert known.view() is views.BACKLOG


def test_a_state_that_was_never_read_is_told_as_such() -> None:
    view = LastKnown(views.Source(OSError("lost")), account="a@nhs.net", clock=lambda: 0.0).view()
    assert (view.account, view.journal_ok, view.last_poll.at) == ("a@nhs.net", False, None)


def test_a_state_that_takes_long_to_read_is_read_less_often() -> None:
    now, monotonic = [1000.0], iter([0.0, 0.4, 10.0, 70.0])
    source = views.Source(views.WORKING, views.BACKLOG, views.FILLING)
    known = LastKnown(source, account="a@nhs.net", clock=lambda: now[0], monotonic=lambda: next(monotonic))
    assert known.view() is views.WORKING
    now[0] += 7.9
    assert known.view() is views.WORKING, "0.4 s is a twentieth of 8 s"
    now[0] += 0.2
    assert known.view() is views.BACKLOG
    now[0] += 29
    assert known.view() is views.BACKLOG


def test_a_state_that_is_not_readable_is_tried_again_at_once() -> None:
    now, monotonic = [1000.0], iter([0.0, 30.0, 60.0])
    source = views.Source(views.WORKING, OSError("lost"), views.BACKLOG)
    known = LastKnown(source, account="a@nhs.net", clock=lambda: now[0], monotonic=lambda: next(monotonic, 60.0))
    known.view()
    for _ in range(2):
        now[0] += 31
        found = known.view()
    now[0] += 1
    assert (found.journal_ok, known.view()) == (True, views.BACKLOG)
