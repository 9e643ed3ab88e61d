"""The state in short lines, one for each thing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.observe import views
from worker.login.expiry import KnownBy, Thing
from worker.observe.state_lines import (
    NOTHING_ENDS,
    endings,
    expiry_lines,
    handler_line,
    last_poll_line,
    lease_line,
    login_line,
    mailbox_line,
    next_end_line,
    next_login_line,
    next_poll_line,
    pause_line,
    waiting_line,
)
from worker.observe.view import CircuitView, ExpiryView, LeaseView, MessagesView, StatusView


def test_the_backlog_has_an_age() -> None:
    assert waiting_line(views.BACKLOG) == "8,113 messages, the oldest for 7 h."
    one = replace(views.WORKING, messages=MessagesView(pending=1, oldest_pending_seconds=5))
    assert waiting_line(one) == "1 message, the oldest for 5 s."
    assert waiting_line(views.WORKING) == "No message."


@pytest.mark.parametrize(
    ("view", "line"),
    [
        (views.WORKING, "In 48 s at the latest."),
        (replace(views.WORKING, next_poll_at=views.ago(1)), "Now."),
        (replace(views.WORKING, next_poll_at=None), "Not known yet."),
        (replace(views.WORKING, next_poll_at=None, started_at=None, lease=LeaseView()), "None: no worker is running."),
        (views.FORGOTTEN, "None while the work is paused."),
        (views.HALTED, "None until the worker may log in again."),
        (views.THROTTLED, "After the next login, not before 23 Nov 14:09 UTC."),
        (views.STANDING_BY, "By two, which holds the lease."),
    ],
)
def test_the_next_poll_has_a_time_or_a_condition(view: StatusView, line: str) -> None:
    assert next_poll_line(view) == line


def test_the_last_poll_says_what_it_brought() -> None:
    assert last_poll_line(views.FRESH) == "None yet."
    assert last_poll_line(views.WORKING) == "12 s ago, good, 0 new messages."
    assert last_poll_line(replace(views.WORKING, last_poll=replace(views.WORKING.last_poll, new=1))) == (
        "12 s ago, good, 1 new message."
    )
    assert last_poll_line(views.FAILING) == "2 s ago, failed. The last good one was 50 s ago."
    assert last_poll_line(replace(views.FAILING, last_good_poll_at=None)) == "2 s ago, failed. None was good yet."


def test_a_pause_says_who_since_when_why_and_how_it_ends() -> None:
    assert pause_line(views.FORGOTTEN) == (
        "By ann@pathology-3 since 22 Nov 12:05 UTC, for 26 h. Why: “<b>new archive</b>”. "
        "New messages since the last poll: 1,204, counted 40 s ago. `nhsmail-worker resume` ends the pause."
    )
    assert pause_line(views.PAUSED).startswith("By a person. New messages since the last poll: not counted yet.")
    assert pause_line(views.HALF_REBUILT).endswith("`nhsmail-worker journal rebuild` ends the pause.")
    assert pause_line(views.WORKING) == ""


def test_what_runs_out_next_is_the_first_end_that_is_known() -> None:
    assert next_end_line(views.BACKLOG) == "Password: in 9 days, on 2 Dec 2026."
    later = (views.expiring(12, Thing.CLIENT_SECRET), views.expiring(1, Thing.PASSWORD), views.of_sign_in(3))
    assert next_end_line(replace(views.WORKING, expiries=later)) == "Password: in 1 day, on 24 Nov 2026."
    over = (views.expiring(-1.5, Thing.CLIENT_SECRET),)
    assert next_end_line(replace(views.WORKING, expiries=over)) == "Client secret: expired on 22 Nov 2026."
    assert next_end_line(views.FRESH) == "Not known: Password."
    assert next_end_line(replace(views.FRESH, expiries=())) == NOTHING_ENDS
    unknown = ExpiryView(thing=Thing.CLIENT_SECRET)
    known = views.expiring(30, Thing.PASSWORD, KnownBy.FIRST_SEEN)
    assert next_end_line(replace(views.FRESH, expiries=(unknown, known))) == (
        "Password: in 30 days, on 23 Dec 2026, or sooner."
    )


def test_the_mailbox_is_among_what_runs_out() -> None:
    assert views.FILLING.mailbox is not None
    late = (views.expiring(400), ExpiryView(thing=Thing.CLIENT_SECRET), views.expiring(2, Thing.CLIENT_CERTIFICATE))
    view = replace(views.FILLING, expiries=late, mailbox=replace(views.FILLING.mailbox, days_left=30))
    assert [title for title, _ in endings(view)] == ["Client certificate", "Mailbox", "Password", "Client secret"]
    assert [title for title, _ in expiry_lines(view)] == ["Client certificate", "Password", "Client secret"]
    assert next_end_line(replace(view, expiries=late[:2])) == "Mailbox: full in 30 days."
    full = replace(view, mailbox=replace(views.FILLING.mailbox, days_left=0))
    assert next_end_line(full) == "Mailbox: full, or it will be within a day."
    still = replace(view, mailbox=replace(views.FILLING.mailbox, days_left=None))
    assert [title for title, _ in endings(still)][-2:] == ["Client secret", "Mailbox"]


def test_how_full_the_mailbox_is() -> None:
    assert mailbox_line(views.WORKING).startswith("Not known yet.")
    assert mailbox_line(views.FILLING) == (
        "82 % full: 3.31 GB of 4.00 GB, by an estimate from the messages' sizes against `[mailbox] size`, 2 h ago. "
        "At the present rate it will be full in 23 days."
    )
    assert mailbox_line(views.FULL).startswith("100 % full: 52.4 MB of 52.4 MB, by the server's quota, 60 s ago.")


def test_the_login_and_the_lease() -> None:
    assert login_line(views.HALTED) == (
        "12 attempts before the server locks the account: 5 failed, 3 left for the worker, 4 kept for people."
    )
    assert next_login_line(views.WORKING) == "Whenever one is needed."
    assert next_login_line(views.COOLING) == "Not before 23 Nov 14:14 UTC, in 9 min."
    assert lease_line(views.WORKING) == "Held by this replica, 48 s left."
    assert lease_line(views.STANDING_BY) == "Held by two, 30 s left."
    assert lease_line(views.FRESH) == "No process holds it."
    over = LeaseView(holder="two", expires_at=views.NOW - timedelta(seconds=5))
    assert lease_line(replace(views.WORKING, lease=over)) == "Ran out 5 s ago; two had it."


def test_a_handler_that_is_not_called_says_why() -> None:
    (broken,) = views.NOT_BUILT.circuits
    assert handler_line(broken, views.NOT_BUILT) == (
        "Not called for 10 min: it can't be started yet (OperationalError). The worker tries it again; its mail waits."
    )
    assert handler_line(CircuitView(handler="a", open=True), views.WORKING).startswith("Not called: it keeps failing.")
