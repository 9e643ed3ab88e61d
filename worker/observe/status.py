"""The state of the worker, from the journal alone: what `status` prints and the status page shows."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from worker import __version__
from worker.journal.junk_review import likely_mistakes
from worker.journal.lease import current_holder
from worker.journal.recent_outcomes import last_day, newest
from worker.journal.store import Journal
from worker.login.login_status import LoginStatus
from worker.message.outcome import State
from worker.observe.view import (
    HelpView,
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
from worker.settings import Settings

NEWEST = 5
"""How many dead letters, and how much junk, are listed by key."""


@dataclass(frozen=True, slots=True)
class About:
    """The part of the view that isn't in the journal. started_at: epoch s; None: there is no process."""

    account: str
    poll_every: float = 60.0
    password_warn_days: int = 14
    help: HelpView = field(default_factory=HelpView)
    replica: str = ""
    started_at: float | None = None


def about(settings: Settings, *, replica: str = "", started_at: float | None = None) -> About:
    """That part, from the settings. replica, started_at: of this process, if it is one that works on the mail."""
    return About(
        settings.account.address,
        poll_every=settings.poll.every.total_seconds(),
        password_warn_days=settings.password.warn.days,
        help=HelpView(local_administrator=settings.help.local_administrator, helpdesk=settings.help.helpdesk),
        replica=replica,
        started_at=started_at,
    )


def view(journal: Journal, about: About, login: LoginStatus, now: float) -> StatusView:
    """The state, as the page, the metrics, the alerts and `status --json` show it.

    login: as the guard sees it. now: epoch s.

    Raises:
        JournalUnavailable
    """
    poll = journal.facts.last_poll()
    holder = current_holder(journal.database, now)
    return StatusView(
        account=about.account,
        now=_time(now),
        replica=about.replica,
        version=__version__,
        started_at=_maybe(about.started_at),
        login=_login(login),
        password=_password(login),
        messages=_messages(journal, now),
        last_poll=PollView()
        if poll is None
        else PollView(at=_time(poll.at), ok=poll.ok, new=poll.new, trouble=poll.trouble),
        last_good_poll_at=None if poll is None else _maybe(poll.good_at),
        lease=LeaseView() if holder is None else LeaseView(holder=holder.name, expires_at=_time(holder.expires_at)),
        paused=journal.facts.paused() is not None,
        poll_every=about.poll_every,
        hours=tuple(
            HourView(at=_time(hour.at), handled=hour.handled, junk=hour.junk, failed=hour.failed)
            for hour in last_day(journal.database, now)
        ),
        dead_letters=_listed(journal, State.FAILED),
        junk=_listed(journal, State.JUNK),
        junk_of_known_senders=likely_mistakes(journal.database),
        password_warn_days=about.password_warn_days,
        help=about.help,
    )


def _login(status: LoginStatus) -> LoginView:
    standing = status.standing
    return LoginView(
        state=LoginState(standing.state.value),
        failures=standing.failures,
        threshold=status.rules.threshold,
        reserve=status.rules.reserve,
        remaining=standing.remaining,
        remaining_for_credential=standing.remaining_for_credential,
        next_attempt_at=_maybe(standing.next_at),
        reason=None if standing.reason is None else str(standing.reason),
    )


def _password(status: LoginStatus) -> PasswordView:
    age = status.age
    if age is None:
        return PasswordView()
    return PasswordView(changed_at=_time(age.changed_at), expires_at=_time(age.expires_at), days_left=age.days_left)


def _messages(journal: Journal, now: float) -> MessagesView:
    counts = journal.messages.counts()
    oldest = counts.oldest_pending_at
    return MessagesView(
        **{state.value: counts.by_state[state] for state in State},
        released=counts.released,
        oldest_pending_seconds=0 if oldest is None else max(0, int(now - oldest)),
    )


def _listed(journal: Journal, state: State) -> tuple[ListedView, ...]:
    return tuple(
        ListedView(key=item.key, since=_time(item.at), reason=item.reason)
        for item in newest(journal.database, state, NEWEST)
    )


def _time(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _maybe(epoch: float | None) -> datetime | None:
    return None if epoch is None else _time(epoch)
