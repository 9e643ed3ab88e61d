"""States to show: one that works, and the ways in which it may not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from worker.journal.size_note import Fullness, SizeNote
from worker.login.expiry import KnownBy, Thing, warning_due
from worker.observe.view import (
    CircuitView,
    ExpiryView,
    LeaseView,
    ListedView,
    LoginState,
    LoginView,
    MessagesView,
    PasswordView,
    PauseView,
    PollView,
    StatusView,
)
from worker.observe.work_view import HandlerView, OutcomesView, RouteView

NOW = datetime(2026, 11, 23, 14, 5, 10, tzinfo=UTC)
KEY = "abcdefghijklmnopqrstuvwxyz"


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def expiring(days: float, thing: Thing = Thing.PASSWORD, by: KnownBy = KnownBy.SETTINGS) -> ExpiryView:
    """Something that expires in so many days."""
    at = NOW + timedelta(days=days)
    return ExpiryView(
        thing=thing,
        expires_at=at,
        days_left=(at - NOW).days,
        known_by=by,
        since=at - timedelta(days=90),
        due=warning_due(days * 86_400, 30 * 86_400),
    )


def of_sign_in(days: float) -> ExpiryView:
    """A person's sign-in whose refresh token was last used so many days ago."""
    one = expiring(90 - days, Thing.REFRESH_TOKEN, KnownBy.LAST_USE)
    return replace(one, since=ago(200 * 86_400), used_at=ago(days * 86_400))


FRESH = StatusView(
    account="pathology.results@nhs.net",
    now=NOW,
    replica="one",
    version="0.1.0",
    started_at=ago(5),
    expiries=(ExpiryView(thing=Thing.PASSWORD),),
)
WORKING = replace(
    FRESH,
    started_at=ago(86_400),
    password=PasswordView(changed_at=ago(86_400 * 30), expires_at=NOW + timedelta(days=60), days_left=60),
    expiries=(expiring(60),),
    messages=MessagesView(handled=41_207, junk=312, gone=3, released=2),
    last_poll=PollView(at=ago(12), ok=True),
    last_good_poll_at=ago(12),
    lease=LeaseView(holder="one", expires_at=NOW + timedelta(seconds=48)),
    hours=tuple(
        OutcomesView(at=ago(3600 * (24 - hour)), handled=hour * 7 % 50, junk=hour % 4, failed=int(hour == 9))
        for hour in range(24)
    ),
    days=tuple(
        OutcomesView(
            at=datetime(2026, 10, 25, tzinfo=UTC) + timedelta(days=number),
            handled=0 if number < 2 else number * 73 % 900,
            junk=number * 11 % 60,
            failed=number % 5 // 4,
        )
        for number in range(30)
    ),
    counted_since=datetime(2026, 10, 27, 9, tzinfo=UTC),
    next_poll_at=NOW + timedelta(seconds=48),
    routes=(
        RouteView(route="pathology", done=512, failed=1, retried=4),
        RouteView(route="everything-else", done=70),
        RouteView(route="junk", done=36),
    ),
    handlers=(
        HandlerView(
            handler="archive", calls=612, failed=1, retried=4, median=0.034, slowest=12.4, slowest_at=ago(5 * 3600)
        ),
        HandlerView(
            handler="worker.demo.handlers:broken", calls=3, failed=3, median=0.0004, slowest=1.26, slowest_at=ago(60)
        ),
        HandlerView(handler="quarantine"),
    ),
    junk=tuple(
        ListedView(
            key=f"{KEY}-{number}",
            since=ago(number * 4000),
            reason="Junk folder, Exchange's headers" if number % 2 else "Keyword",
        )
        for number in range(2, 7)
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
    expiries=(expiring(9), expiring(12, Thing.CLIENT_SECRET), of_sign_in(3)),
    junk_of_known_senders=1,
    unexplained=3,
)
NOT_BUILT = replace(
    WORKING,
    circuits=(CircuitView(handler="database", open=True, since=ago(600), not_built="OperationalError"),),
)
STANDING_BY = replace(WORKING, lease=LeaseView(holder="two", expires_at=NOW + timedelta(seconds=30)))
LEFT_RUNNING = replace(
    STANDING_BY,
    lease=LeaseView(holder="once:4711", expires_at=NOW + timedelta(seconds=15)),
    last_poll=PollView(at=ago(7200), ok=True),
    last_good_poll_at=ago(7200),
)
PAUSED = replace(WORKING, paused=True)
FORGOTTEN = replace(
    PAUSED,
    pause=PauseView(
        since=ago(93_600), by="ann@pathology-3", reason="<b>new archive</b>", arrived=1_204, counted_at=ago(40)
    ),
    last_poll=PollView(at=ago(93_610), ok=True),
    last_good_poll_at=ago(93_610),
)
PAUSED_AND_CUT_OFF = replace(
    FORGOTTEN,
    pause=replace(FORGOTTEN.pause, counted_at=ago(7300)),
    last_poll=PollView(at=ago(30), ok=False, trouble="unreachable"),
)
HALF_REBUILT = replace(
    FORGOTTEN, pause=replace(FORGOTTEN.pause, by="journal rebuild", reason="", arrived=None, rebuild=True)
)
OVERDUE = replace(WORKING, last_poll=PollView(at=ago(20), ok=False), last_good_poll_at=ago(600))
FAILING = replace(WORKING, last_poll=PollView(at=ago(2), ok=False, trouble="certificate"), last_good_poll_at=ago(50))
STUCK = replace(BACKLOG, stuck=4, live=False)
THROTTLED = replace(
    WORKING,
    login=LoginView(state=LoginState.COOLING, next_attempt_at=NOW + timedelta(minutes=4), reason="throttled"),
)
NO_JOURNAL = replace(WORKING, journal_ok=False)

FILLING = replace(
    WORKING,
    mailbox=SizeNote(
        ago(7200).timestamp(),
        3_310_000_000,
        4_000_000_000,
        estimate=True,
        told=False,
        fullness=Fullness.FILLING,
        days_left=23,
    ),
)
FULL = replace(
    WORKING,
    mailbox=SizeNote(
        ago(60).timestamp(), 52_428_800, 52_428_800, estimate=False, told=True, fullness=Fullness.FULL, days_left=0
    ),
)
ALL = {
    "fresh": FRESH,
    "working": WORKING,
    "halted": HALTED,
    "cooling": COOLING,
    "backlog": BACKLOG,
    "not-built": NOT_BUILT,
    "filling": FILLING,
    "full": FULL,
    "standing-by": STANDING_BY,
    "left-running": LEFT_RUNNING,
    "paused": PAUSED,
    "forgotten": FORGOTTEN,
    "paused-and-cut-off": PAUSED_AND_CUT_OFF,
    "half-rebuilt": HALF_REBUILT,
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
