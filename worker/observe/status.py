"""The state of the worker, from the journal alone: what `status` prints and the status page shows."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from worker import __version__
from worker.journal.facts import ENDED_BY_REBUILD, PauseNote
from worker.journal.junk_review import likely_mistake_keys, likely_mistakes
from worker.journal.lease import current_holder
from worker.journal.recent_outcomes import Newest, Span, newest, oldest_pending, recent_outcomes
from worker.journal.size_note import read_size
from worker.journal.store import Journal
from worker.journal.unexplained_note import read_note
from worker.login.expiry import Plan
from worker.login.expiry_watch import noted
from worker.login.login_status import LoginStatus
from worker.message.outcome import State
from worker.observe.audit.chain_name import known_installation
from worker.observe.expiry_plan import expiry_plan, expiry_views
from worker.observe.named_view import NamedView
from worker.observe.phrase_tables import JUNK_BY
from worker.observe.view import (
    CircuitView,
    HelpView,
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
from worker.observe.work_view import OutcomesView
from worker.settings import Settings
from worker.settings.exchange_hosts import is_exchange_online

NEWEST = 5
"""How many dead letters, and how much junk, are listed by key."""


@dataclass(frozen=True, slots=True)
class About:
    """The part of the view that isn't in the journal. started_at: epoch s; None: there is no process.

    plan: what can expire. installation: whose files the journal's notes about their ends are of.
    """

    account: str
    plan: Plan
    installation: str
    poll_every: float = 60.0
    oldest_message_limit: float = 3600.0
    sends_password_to_exchange: bool = False
    help: HelpView = field(default_factory=HelpView)
    replica: str = ""
    started_at: float | None = None


def about(settings: Settings, *, replica: str = "", started_at: float | None = None) -> About:
    """That part, from the settings. replica, started_at: of this process, if it is one that works on the mail."""
    return About(
        settings.account.address,
        expiry_plan(settings),
        known_installation(settings.state.dir) or "",
        poll_every=settings.poll.every.total_seconds(),
        oldest_message_limit=settings.alerts.oldest_message.total_seconds(),
        sends_password_to_exchange=settings.account.auth == "password" and is_exchange_online(settings.account.host),
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
    pause = journal.facts.pause_note()
    holder = current_holder(journal.database, now)
    recent = recent_outcomes(journal.database, now)
    return StatusView(
        account=about.account,
        now=_time(now),
        replica=about.replica,
        version=__version__,
        started_at=_maybe(about.started_at),
        login=_login(login),
        password=_password(login),
        expiries=expiry_views(about.plan, login.age, noted(journal.facts, about.installation), now),
        messages=_messages(journal, now),
        last_poll=PollView()
        if poll is None
        else PollView(at=_time(poll.at), ok=poll.ok, new=poll.new, trouble=poll.trouble),
        last_good_poll_at=None if poll is None else _maybe(poll.good_at),
        next_poll_at=None if poll is None or holder is None else _time(max(now, poll.at + about.poll_every)),
        lease=LeaseView() if holder is None else LeaseView(holder=holder.name, expires_at=_time(holder.expires_at)),
        paused=pause is not None,
        pause=PauseView() if pause is None else _pause(pause),
        poll_every=about.poll_every,
        mailbox=read_size(journal.facts),
        hours=tuple(map(_outcomes, recent.hours)),
        days=tuple(map(_outcomes, recent.days)),
        counted_since=_maybe(recent.since),
        dead_letters=_listed(journal, State.FAILED),
        junk=_listed(journal, State.JUNK),
        junk_of_known_senders=likely_mistakes(journal.database),
        unexplained=0 if (note := read_note(journal.facts)) is None else note.count,
        circuits=tuple(
            CircuitView(handler=noted.name, open=True, since=_time(noted.since), not_built=noted.error)
            for noted in journal.facts.noted_handlers(None if holder is None else holder.name)
        ),
        oldest_message_limit=about.oldest_message_limit,
        sends_password_to_exchange=about.sends_password_to_exchange,
        help=about.help,
        named=NamedView(
            oldest_pending=tuple(oldest_pending(journal.database, NEWEST)),
            known_junk=tuple(likely_mistake_keys(journal.database, NEWEST)),
        ),
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


def _pause(note: PauseNote) -> PauseView:
    return PauseView(
        since=_maybe(note.since),
        by=note.actor,
        reason=note.reason,
        arrived=note.arrived,
        counted_at=_maybe(note.counted_at),
        rebuild=note.actor in ENDED_BY_REBUILD,
    )


def _listed(journal: Journal, state: State) -> tuple[ListedView, ...]:
    return tuple(
        ListedView(key=item.key, since=_time(item.at), reason=item.reason or _evidence(item))
        for item in newest(journal.database, state, NEWEST)
    )


def _evidence(item: Newest) -> str | None:
    """Whose evidence made it junk, in words."""
    return ", ".join(JUNK_BY.get(source, source) for source in item.sources) or None


def _outcomes(span: Span) -> OutcomesView:
    return OutcomesView(at=_time(span.at), handled=span.handled, junk=span.junk, failed=span.failed)


def _time(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _maybe(epoch: float | None) -> datetime | None:
    return None if epoch is None else _time(epoch)
