"""States to show: one that works, and the ways in which it may not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from worker.observe.view import (
    CircuitView,
    HourView,
    LeaseView,
    ListedView,
    LoginState,
    LoginView,
    MessagesView,
    PasswordView,
    PollView,
    StatusView,
)

NOW = datetime(2026, 11, 23, 14, 5, 10, tzinfo=UTC)
KEY = "abcdefghijklmnopqrstuvwxyz"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


FRESH = StatusView(account="pathology.results@nhs.net", now=NOW, replica="one", version="0.1.0", started_at=ago(5))
WORKING = replace(
    FRESH,
    started_at=ago(86_400),
    password=PasswordView(changed_at=ago(86_400 * 30), expires_at=NOW + timedelta(days=60), days_left=60),
    messages=MessagesView(handled=41_207, junk=312, gone=3, released=2),
    last_poll=PollView(at=ago(12), ok=True),
    last_good_poll_at=ago(12),
    lease=LeaseView(holder="one", expires_at=NOW + timedelta(seconds=48)),
    hours=tuple(
        HourView(at=ago(3600 * (24 - hour)), handled=hour * 7 % 50, junk=hour % 4, failed=int(hour == 9))
        for hour in range(24)
    ),
    junk=tuple(
        ListedView(key=f"{KEY}-{number}", since=ago(number * 4000), reason="exchange") for number in range(2, 7)
    ),
)
HALTED = replace(
    WORKING,
    login=LoginView(
        state=LoginState.HALTED, failures=5, remaining=3, remaining_for_credential=0, reason="rejected"
    ),
    last_poll=PollView(at=ago(4000), ok=False),
    last_good_poll_at=ago(7200),
)  # fmt: skip
COOLING = replace(
    WORKING,
    login=LoginView(
        state=LoginState.COOLING,
        failures=2,
        remaining=6,
        remaining_for_credential=3,
        next_attempt_at=NOW + timedelta(minutes=9),
        reason="rejected",
    ),
)
BACKLOG = replace(
    WORKING,
    messages=MessagesView(pending=8_113, handled=41_207, junk=312, failed=2, oldest_pending_seconds=7 * 3600),
    dead_letters=(
        ListedView(key=KEY, since=ago(90), reason="oversize"),
        ListedView(key=f"{KEY}-2", since=ago(300_000), reason="archive:OSError"),
    ),
    circuits=(CircuitView(handler="archive", open=True, since=ago(600)), CircuitView(handler="queue")),
    password=PasswordView(changed_at=ago(86_400 * 80), expires_at=NOW + timedelta(days=9), days_left=9),
    junk_of_known_senders=1,
)
STANDING_BY = replace(WORKING, lease=LeaseView(holder="two", expires_at=NOW + timedelta(seconds=30)))
PAUSED = replace(WORKING, paused=True)
OVERDUE = replace(WORKING, last_poll=PollView(at=ago(20), ok=False), last_good_poll_at=ago(600))
FAILING = replace(WORKING, last_poll=PollView(at=ago(2), ok=False, trouble="certificate"), last_good_poll_at=ago(50))
STUCK = replace(BACKLOG, stuck=4, live=False)
THROTTLED = replace(
    WORKING,
    login=LoginView(state=LoginState.COOLING, next_attempt_at=NOW + timedelta(minutes=4), reason="throttled"),
)
NO_JOURNAL = replace(WORKING, journal_ok=False)

ALL = {
    "fresh": FRESH,
    "working": WORKING,
    "halted": HALTED,
    "cooling": COOLING,
    "backlog": BACKLOG,
    "standing-by": STANDING_BY,
    "paused": PAUSED,
    "overdue": OVERDUE,
    "failing": FAILING,
    "stuck": STUCK,
    "throttled": THROTTLED,
    "no-journal": NO_JOURNAL,
}


def messages(**numbers: int) -> StatusView:
    """The working state, with these numbers of messages."""
    return replace(WORKING, messages=MessagesView(**numbers))


class Source:
    """Gives one state after another, the last again and again; an exception is raised."""

    def __init__(self, *answers: StatusView | Exception) -> None:
        self._answers = list(answers)

    def view(self) -> StatusView:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer
