"""The worker's state as the page, the metrics, the alerts and `status` see it: plain, frozen, without any content.

`status.py` fills it in from the journal; nothing here knows where it comes from. Times are aware datetimes in UTC.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from worker.journal.size_note import Fullness, SizeNote
from worker.login.expiry import KnownBy, Thing
from worker.logs.redaction import rfc3339
from worker.observe.named_view import NamedView
from worker.observe.work_view import HandlerView, OutcomesView, RouteView


class LoginState(StrEnum):
    """Whether a credential may be sent to the server."""

    READY = "ready"
    COOLING = "cooling"
    HALTED = "halted"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginView:
    """The login guard.

    failures: since the last success or reset, unanswered ones included. threshold: attempts before the server locks the
    account; reserve: how many of these we never use. remaining: how many we may still use; remaining_for_credential:
    with the current password. reason: one word, a failure's class.
    """

    state: LoginState = LoginState.READY
    failures: int = 0
    threshold: int = 12
    reserve: int = 4
    remaining: int = 8
    remaining_for_credential: int = 5
    next_attempt_at: datetime | None = None
    reason: str | None = None

    @property
    def left_of_account(self) -> int:
        """Attempts before the server locks the account, counting only our own."""
        return max(0, self.threshold - self.failures)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordView:
    """How old the password is; all None with OAuth, or while its age isn't known."""

    changed_at: datetime | None = None
    expires_at: datetime | None = None
    days_left: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiryView:
    """Something that expires. expires_at: None: not known. days_left: whole days, negative after the end.

    known_by: where the end is known from. since: when it began. used_at: when it was last used. due: the warning that
    is due, by the days left on which it fell due; None: none is.
    """

    thing: Thing
    expires_at: datetime | None = None
    days_left: int | None = None
    known_by: KnownBy | None = None
    since: datetime | None = None
    used_at: datetime | None = None
    due: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesView:
    """How many messages are in each state; released: how many of them a person released from junk."""

    pending: int = 0
    handled: int = 0
    junk: int = 0
    failed: int = 0
    gone: int = 0
    released: int = 0
    oldest_pending_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PollView:
    """The last poll; at None: there was none. trouble: a word of ours for what prevented it."""

    at: datetime | None = None
    ok: bool = False
    new: int = 0
    trouble: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseView:
    """Which replica works on the mailbox, and until when, unless the lease is renewed."""

    holder: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedView:
    """One junk message or dead letter, by its key. since: when it got there. reason: a few words of ours."""

    key: str
    since: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitView:
    """A handler's circuit: open while the handler isn't called because it kept failing, or couldn't be built yet.

    not_built: the class of the exception that its constructor raised; None if it was built.
    """

    handler: str
    open: bool = False
    since: datetime | None = None
    not_built: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseView:
    """The pause, while there is one. since: None if it isn't known. by: who paused the work; reason: in their words.

    arrived: how many messages have come since the last poll, as counted at `counted_at`; both None before the first
    count. rebuild: the pause is that of a `journal rebuild` that hasn't finished.
    """

    since: datetime | None = None
    by: str = ""
    reason: str = ""
    arrived: int | None = None
    counted_at: datetime | None = None
    rebuild: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpView:
    """Whom to ring, from the configuration; empty: not given."""

    local_administrator: str = ""
    helpdesk: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusView:
    """Everything that is shown of the worker's state.

    now: when this was read. replica: who shows it. started_at: this process; None: there is no process.
    last_good_poll_at: the last poll that succeeded. next_poll_at: when the next one is due at the latest; None: not
    known. poll_every: seconds between polls. journal_ok: False if the journal can't be used, and the rest is the last
    known state. hours, days: the last 24 hours and the last 30 days, oldest first. counted_since: from when these are
    known. routes, handlers: since the process began. dead_letters, junk: the newest few. junk_of_known_senders: junk,
    not yet reviewed, whose sender has been handled before. unexplained: messages in the folder of handled mail that
    this worker didn't move there.
    stuck: handler calls that haven't returned for too long. live: False if a restart of the process would help.
    expiries: everything that can expire, with its end or without. oldest_message_limit: s; a message that has waited
    for longer is worth a look. sends_password_to_exchange: a password goes to Exchange Online, which most likely takes
    none. mailbox: how full it is; None: not known yet. named: what alerts name.
    """

    account: str
    now: datetime
    replica: str = ""
    version: str = ""
    started_at: datetime | None = None
    login: LoginView = field(default_factory=LoginView)
    password: PasswordView = field(default_factory=PasswordView)
    expiries: tuple[ExpiryView, ...] = ()
    messages: MessagesView = field(default_factory=MessagesView)
    last_poll: PollView = field(default_factory=PollView)
    last_good_poll_at: datetime | None = None
    next_poll_at: datetime | None = None
    lease: LeaseView = field(default_factory=LeaseView)
    paused: bool = False
    pause: PauseView = field(default_factory=PauseView)
    poll_every: float = 60.0
    journal_ok: bool = True
    mailbox: SizeNote | None = None
    hours: tuple[OutcomesView, ...] = ()
    days: tuple[OutcomesView, ...] = ()
    counted_since: datetime | None = None
    routes: tuple[RouteView, ...] = ()
    handlers: tuple[HandlerView, ...] = ()
    dead_letters: tuple[ListedView, ...] = ()
    junk: tuple[ListedView, ...] = ()
    junk_of_known_senders: int = 0
    unexplained: int = 0
    circuits: tuple[CircuitView, ...] = ()
    stuck: int = 0
    live: bool = True
    oldest_message_limit: float = 3600.0
    sends_password_to_exchange: bool = False
    help: HelpView = field(default_factory=HelpView)
    named: NamedView = field(default_factory=NamedView)

    def seconds_since(self, at: datetime) -> float:
        """How long ago that was; 0 for a time still to come."""
        return max(0.0, (self.now - at).total_seconds())

    @property
    def good_poll_age(self) -> float | None:
        """Seconds since the last good poll, or since the start if there was none; None: neither is known."""
        since = self.last_good_poll_at or self.started_at
        return None if since is None else self.seconds_since(since)

    @property
    def paused_seconds(self) -> int:
        """How long the work has been paused; 0: it isn't, or that isn't known."""
        return int(self.seconds_since(self.pause.since)) if self.paused and self.pause.since is not None else 0

    @property
    def fullness(self) -> Fullness:
        """Whether a person has to do something about the mailbox's size."""
        return Fullness.FINE if self.mailbox is None else self.mailbox.fullness

    @property
    def look_age(self) -> float | None:
        """Seconds since the mailbox was last looked at: by a good poll or, during a pause, to count what has come.

        The beginning of a pause counts as a look. None: nothing is known of any.
        """
        looks = [self.last_good_poll_at, self.pause.counted_at, self.pause.since] if self.paused else []
        ages = [self.seconds_since(at) for at in looks if at is not None]
        return min(ages) if ages else self.good_poll_age

    @property
    def standing_by(self) -> bool:
        """Whether another replica works on the mailbox now."""
        lease = self.lease
        valid = lease.expires_at is not None and lease.expires_at > self.now
        return bool(self.replica and lease.holder and lease.holder != self.replica and valid)

    @property
    def nobody_runs(self) -> bool:
        """Whether this is the state between two runs, as `status` reads it: no process works on the mailbox."""
        return self.started_at is None and self.lease.holder is None

    @property
    def overdue(self) -> bool:
        """Whether the last look at the mailbox is too long ago: more than three intervals and half a minute.

        Of a pause without a known beginning, as an earlier program may have left it, nothing can be said.
        """
        age = self.look_age
        unknown = self.paused and self.pause.since is None
        return age is not None and not unknown and age > self.overdue_after

    @property
    def overdue_after(self) -> float:
        """Seconds after which the next look at the mailbox is overdue."""
        return 3 * self.poll_every + 30


class StatusSource(Protocol):
    """Gives the state as it is when asked."""

    def view(self) -> StatusView:
        """The state now."""


def status_json(view: StatusView) -> dict[str, object]:
    """What `status --json` prints: times RFC 3339 in UTC or null, numbers integers."""
    return {
        "account": view.account,
        "login": {
            "state": view.login.state.value,
            "failures": view.login.failures,
            "threshold": view.login.threshold,
            "reserve": view.login.reserve,
            "remaining": view.login.remaining,
            "remaining_for_credential": view.login.remaining_for_credential,
            "next_attempt_at": _time(view.login.next_attempt_at),
            "reason": view.login.reason,
        },
        "password": {
            "changed_at": _time(view.password.changed_at),
            "expires_at": _time(view.password.expires_at),
            "days_left": view.password.days_left,
        },
        "expiry": [
            {
                "what": one.thing.value,
                "expires_at": _time(one.expires_at),
                "days_left": one.days_left,
                "known_by": None if one.known_by is None else one.known_by.value,
                "since": _time(one.since),
                "last_used_at": _time(one.used_at),
            }
            for one in view.expiries
        ],
        "messages": {
            name: getattr(view.messages, name)
            for name in ("pending", "handled", "junk", "failed", "gone", "released", "oldest_pending_seconds")
        },
        "unexplained": view.unexplained,
        "mailbox": None if view.mailbox is None else _mailbox(view.mailbox),
        "last_poll": {"at": _time(view.last_poll.at), "ok": view.last_poll.ok, "new": view.last_poll.new},
        "lease": {"holder": view.lease.holder, "expires_at": _time(view.lease.expires_at)},
        "handlers_waiting": [
            {"handler": circuit.handler, "since": _time(circuit.since), "not_built": circuit.not_built}
            for circuit in view.circuits
            if circuit.open
        ],
        "paused": view.paused,
        "pause": {
            "since": _time(view.pause.since),
            "by": view.pause.by,
            "reason": view.pause.reason or None,
            "arrived": view.pause.arrived,
            "counted_at": _time(view.pause.counted_at),
        }
        if view.paused
        else None,
    }


def _mailbox(note: SizeNote) -> dict[str, object]:
    return {
        "used": note.used,
        "limit": note.limit,
        "limit_known_by": "server" if note.told else "setting",
        "percent": note.percent,
        "estimate": note.estimate,
        "state": note.fullness.value,
        "days_until_full": note.days_left,
        "at": rfc3339(datetime.fromtimestamp(note.at, UTC)),
    }


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
