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
