"""Where the login stands (ready, cooling or halted), computed from the ledger alone, without side effects.

There is no other state that could contradict the rows: a restarted worker, another replica and `status` all come to the
same result from the same ledger.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from worker.journal.attempts import CONNECTION, DOUBT, History, Record
from worker.login.backoff import Lockout
from worker.mailbox.login_failures import HALTING, TRANSIENT, FailureClass, Kind


class State(StrEnum):
    """What the guard answers when an attempt is wanted."""

    READY = "ready"
    COOLING = "cooling"
    HALTED = "halted"


class Reason(StrEnum):
    """Why the login is halted or cooling, where the reason isn't a `FailureClass`."""

    BUDGET = "budget"
    """Of the account's attempts, the worker has spent all that it may use."""
    CREDENTIAL = "credential"
    """All attempts with this credential are spent."""
    TOKEN = "token"  # noqa: S105 -- a reason's name
    """As many OAuth tokens have been rejected as the worker may try."""
    JOURNAL = "journal"
    """The journal may have forgotten attempts."""
    WAY_IN = "way_in"
    """The server doesn't offer the way to log in that the settings name. Nothing was sent, and nothing spent."""
    OAUTH_ONLY = "oauth_only"
    """By its name the server takes no passwords, and the settings don't insist. Nothing was sent, and nothing spent."""
    UNANSWERED = "unanswered"
    """The last attempt has no recorded answer: its process died, or is still waiting for it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the login stands for one credential.

    failures: counted failures of the account's password since the last success or reset.
    remaining: attempts left of the budget. remaining_for_credential: attempts left with this credential.
    next_at: when the next attempt may be made, in epoch seconds; None if there is nothing to wait for.
    reason: a `Reason` or a `FailureClass`; None if nothing has failed.
    refresh: the last token was rejected or has expired, so use a fresh one.
    kind: of the credential. said: the server's words behind the reason, reduced to a known vocabulary, for a refused
    token with the likely cause; for a spent limit, those of the last failure; for `Reason.JOURNAL`, why the journal is
    in doubt; for `Reason.WAY_IN`, the ways that the server offers.
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
    """Work out where the login stands for one credential at one time.

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
        if reason in _SPENT:
            said = next((record.said for record in reversed(own_counted or counted) if record.said), "")
        if reason == Reason.JOURNAL:
            said = next((record.note for record in records if record.kind == DOUBT and record.note), "")
        elif reason == Reason.TOKEN:
            said = next((record.said for record in reversed(own) if record.outcome in _REFUSED and record.said), "")
        return replace(found, state=State.HALTED, reason=reason, said=said)
    recent = records if kind == "password" else [one for one in records if one.number > history.settled]
    wait = _wait(recent, own_counted, counted if kind == "password" else own_counted, rules, kind=kind, now=now)
    if wait is None:
        return found
    until, after = wait
    found = replace(found, reason=after.outcome or Reason.UNANSWERED, said=after.said or "")
    return replace(found, state=State.COOLING, next_at=until) if now < until else found


def halted_without_a_way(found: Standing, offered: str) -> Standing:
    """Where the login stands if the server offers other ways to log in than ours. offered: which."""
    return replace(found, state=State.HALTED, next_at=None, reason=Reason.WAY_IN, said=offered)


def halted_by_the_settings(found: Standing) -> Standing:
    """Where the login stands if the settings name a password for a server that takes none, by its name."""
    return replace(found, state=State.HALTED, next_at=None, reason=Reason.OAUTH_ONLY, said="")


_SPENT = frozenset({Reason.BUDGET, Reason.CREDENTIAL})

_STALE = frozenset({FailureClass.TOKEN_REJECTED, FailureClass.TOKEN_EXPIRED})


_REFUSED = frozenset({FailureClass.TOKEN_REJECTED, FailureClass.AMBIGUOUS})
"""Outcomes that count towards `token_attempts`."""


def _own_counted(own: Sequence[Record], kind: Kind) -> list[Record]:
    """Return the attempts that count towards this credential's own limit."""
    return [record for record in own if record.kind == kind and record.counts]


def _rejected_after_sign_in(own: Sequence[Record]) -> list[Record]:
    """Return the attempts in which the token endpoint accepted the password, but the mail server refused the token."""
    return [record for record in own if record.kind == "password" and record.outcome == FailureClass.TOKEN_REJECTED]


def _answer_that_halts(own: Sequence[Record], way: str | None) -> Record | None:
    """Return the last answer that forbids trying the credential again. Answers about another way to log in don't."""
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
    """Return when the wait ends, and the record that causes it; None if there is no wait.

    What the server asks for can only lengthen a wait. A server that asks for no pause doesn't shorten ours.
    """
    waits: list[tuple[float, Record]] = []
    if own_counted:
        # A credential that hasn't failed yet is tried at once. Otherwise the wait begins at the account's last failure.
        waits.append(_until(counted[-1], rules.wait_after(len(counted), counted[-1].jitter), now))
    troubles = _troubles(records, kind)
    if troubles:
        waits.append(_until(troubles[-1], rules.pause_after(len(troubles), troubles[-1].jitter), now))
    return max(waits, key=lambda wait: wait[0]) if waits else None


def _until(record: Record, wait: float, now: float) -> tuple[float, Record]:
    return _from(record, now) + max(wait, record.retry_after or 0.0), record


def _troubles(records: Sequence[Record], kind: Kind) -> list[Record]:
    """Return the transient failures since the last failure that counts. Their waits are short, for any credential.

    Other answers in between don't restart the schedule of these waits, so attempts that don't count are never more
    frequent than the schedule allows.
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
"""Outcomes of a token that aren't counted: the connection was lost, or an old token was refused and a fresh one is
next."""


def _from(record: Record, now: float) -> float:
    """Return when a wait starts: now at the latest, because a record is in the future if the clock was set back."""
    return min(record.cools_from, now)
