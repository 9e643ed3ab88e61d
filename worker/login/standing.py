"""Where the login stands: ready, cooling or halted, worked out from the ledger alone. Pure.

No state is kept that could contradict the rows: what a restarted worker, another replica or `status` works out from the
same ledger is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from worker.journal.attempts import CONNECTION, DOUBT, History, Record
from worker.login.backoff import Lockout
from worker.mailbox.login_failures import HALTING, TRANSIENT, FailureClass, Kind


class State(StrEnum):
    """What the guard answers to the wish for an attempt."""

    READY = "ready"
    COOLING = "cooling"
    HALTED = "halted"


class Reason(StrEnum):
    """Why the login halted or cools, besides the classes of failures themselves."""

    BUDGET = "budget"
    """All attempts of the account that we may use are used."""
    CREDENTIAL = "credential"
    """All attempts with this credential are used."""
    TOKEN = "token"  # noqa: S105 -- a reason's name
    """Too many OAuth tokens were rejected."""
    JOURNAL = "journal"
    """The journal may have forgotten attempts."""
    UNANSWERED = "unanswered"
    """The last attempt has no recorded answer: a process died in it, or still waits for it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the login stands for one credential.

    failures: of the account's password, counted, since the last success or reset. remaining: of the budget.
    remaining_for_credential: attempts left with this credential. next_at: epoch s; None where no time leads to it.
    reason: a `Reason` or a `FailureClass`; None when nothing has failed.
    refresh: the last token was rejected, or has run out: use a fresh one.
    kind: of the credential. said: the server's words behind the reason, reduced to ours.
    """

    state: State
    failures: int
    remaining: int
    remaining_for_credential: int
    next_at: float | None = None
    reason: str | None = None
    refresh: bool = False
    kind: Kind = field(default="password", compare=False)
    said: str = field(default="", compare=False)


def stand(
    history: History, rules: Lockout, *, kind: Kind, credential: str | None, now: float, way: str | None = None
) -> Standing:
    """Where the login stands for a credential at a time.

    kind: whether an attempt would send a password or a token. credential: its fingerprint. way: how it would be sent.
    """
    records = history.records
    counted = [record for record in records if record.kind == "password" and record.counts]
    own = [record for record in records if record.credential is not None and record.credential == credential]
    own_counted = _own_counted(own, kind)
    limit = rules.token_attempts if kind == "token" else rules.per_credential
    remaining = max(0, rules.budget - len(counted))
    left = max(0, limit - len(own_counted))
    if kind == "password":
        left = min(left, remaining)
    last = records[-1] if records else None
    refresh = last is not None and last.kind == "token" and last.outcome in _STALE
    found = Standing(State.READY, len(counted), remaining, left, refresh=refresh, kind=kind)
    halting = _answer_that_halts(own, way)
    reason = _halt(records, own, halting, rules, kind=kind, remaining=remaining, left=left)
    if reason is not None:
        said = halting.said or "" if halting is not None and reason == halting.outcome else ""
        return replace(found, state=State.HALTED, reason=reason, said=said)
    recent = records if kind == "password" else [one for one in records if one.number > history.settled]
    wait = _wait(recent, own_counted, counted if kind == "password" else own_counted, rules, kind=kind, now=now)
    if wait is None:
        return found
    until, after = wait
    found = replace(found, reason=after.outcome or Reason.UNANSWERED, said=after.said or "")
    return replace(found, state=State.COOLING, next_at=until) if now < until else found


_STALE = frozenset({FailureClass.TOKEN_REJECTED, FailureClass.TOKEN_EXPIRED})


def _own_counted(own: Sequence[Record], kind: Kind) -> list[Record]:
    """Attempts that use up this credential's own limit."""
    return [record for record in own if record.kind == kind and record.counts]


def _rejected_after_sign_in(own: Sequence[Record]) -> list[Record]:
    """Attempts in which the token endpoint took the password, and the mail server then refused the token."""
    return [record for record in own if record.kind == "password" and record.outcome == FailureClass.TOKEN_REJECTED]


def _answer_that_halts(own: Sequence[Record], way: str | None) -> Record | None:
    """The last answer after which the credential isn't tried again, unless it was about another way of logging in."""
    halting = [record for record in own if record.outcome in HALTING and not _about_another_way(record, way)]
    return halting[-1] if halting else None


def _about_another_way(record: Record, way: str | None) -> bool:
    return record.outcome in _ABOUT_THE_WAY and None not in {record.note, way} and record.note != way


_ABOUT_THE_WAY = frozenset({FailureClass.CONFIGURATION, FailureClass.PROTOCOL})


def _halt(
    records: Sequence[Record],
    own: Sequence[Record],
    halting: Record | None,
    rules: Lockout,
    *,
    kind: Kind,
    remaining: int,
    left: int,
) -> str | None:
    if kind == "password" and any(record.kind == DOUBT for record in records):
        return Reason.JOURNAL
    if halting is not None:
        return halting.outcome
    if kind == "password" and remaining == 0:
        return Reason.BUDGET
    if kind == "token" and left == 0:
        return Reason.TOKEN
    if left == 0:
        return Reason.CREDENTIAL
    if len(_rejected_after_sign_in(own)) >= rules.token_attempts:
        return Reason.TOKEN
    return None


def _wait(
    records: Sequence[Record],
    own_counted: Sequence[Record],
    counted: Sequence[Record],
    rules: Lockout,
    *,
    kind: Kind,
    now: float,
) -> tuple[float, Record] | None:
    """Until when to wait, and after which record; None without a wait.

    What the server asks for only ever lengthens a wait: a server that asks for nothing sets no pace.
    """
    waits: list[tuple[float, Record]] = []
    if own_counted:
        # A credential that hasn't failed yet is tried at once; one that has waits from the account's last failure.
        waits.append(_until(counted[-1], rules.wait_after(len(counted), counted[-1].jitter), now))
    troubles = _troubles(records, kind)
    if troubles:
        waits.append(_until(troubles[-1], rules.pause_after(len(troubles), troubles[-1].jitter), now))
    return max(waits, key=lambda wait: wait[0]) if waits else None


def _until(record: Record, wait: float, now: float) -> tuple[float, Record]:
    return _from(record, now) + max(wait, record.retry_after or 0.0), record


def _troubles(records: Sequence[Record], kind: Kind) -> list[Record]:
    """The passing troubles since the last failure that counts: they stop nobody for long, whatever the credential.

    What else was answered in between doesn't begin the schedule of their pauses anew: whatever comes of it, attempts
    that don't count are never more frequent than that schedule.
    """
    found: list[Record] = []
    for record in reversed(records):
        if record.kind == kind and record.counts:
            break
        if _passing(record):
            found.append(record)
    return found[::-1]


def _passing(record: Record) -> bool:
    if record.kind == DOUBT or record.counts:
        return False
    if record.kind == CONNECTION or record.outcome is None:
        return True
    return record.outcome in TRANSIENT or record.outcome in _ENDS_WITHOUT_BLAME


_ENDS_WITHOUT_BLAME = frozenset({FailureClass.LOST_AFTER_SENDING, FailureClass.AMBIGUOUS, FailureClass.TOKEN_REJECTED})
"""Of a token, uncounted: the connection was lost with it, or an old one was refused and a fresh one comes next."""


def _from(record: Record, now: float) -> float:
    """From when a wait runs: never from the future, where a clock that went back would leave it."""
    return min(record.cools_from, now)
