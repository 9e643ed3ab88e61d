"""The state of the login and the age of the password, from the journal alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from worker.journal.attempts import AttemptLedger, History, KnownCredential
from worker.login.backoff import Lockout
from worker.login.password_policy import Age, age_of
from worker.login.standing import Standing, State, halted_by_the_settings, halted_without_a_way, stand
from worker.mailbox.login_failures import Kind

POLICY = "policy"
"""The reason for a halt when the password breaks the policy."""


@dataclass(frozen=True, slots=True)
class LoginStatus:
    """The login and the password, as the guard sees them. detail: which policy rules the password breaks."""

    standing: Standing
    rules: Lockout
    age: Age | None
    detail: str | None = None


def login_status(
    ledger: AttemptLedger,
    rules: Lockout,
    *,
    max_age: float,
    changed: float | None,
    now: float,
    forbidden: bool = False,
) -> LoginStatus:
    """Work out where the login stands for the credential that was read last.

    max_age: how long a password lasts, in seconds. changed: when the settings say that it was last changed; None: count
    from when it was first seen. forbidden: the settings let nothing be sent, as `Rules.forbid` says.

    Raises:
        JournalUnavailable
    """
    history = ledger.history()
    kind = kind_of(history.current)
    standing = stand(history, rules, kind=kind, credential=history.current, now=now, way=history.way)
    if forbidden:
        standing = halted_by_the_settings(standing)
    elif history.refused is not None and standing.state is not State.HALTED:
        standing = replace(standing, state=State.HALTED, next_at=None, reason=POLICY)
    elif history.offered is not None and standing.state is not State.HALTED:
        standing = halted_without_a_way(standing, history.offered)
    age = password_age(history, ledger.credentials(), max_age=max_age, changed=changed, now=now)
    return LoginStatus(standing, rules, age, history.refused)


def password_age(
    history: History, known: Sequence[KnownCredential], *, max_age: float, changed: float | None, now: float
) -> Age | None:
    """Return the age of the password that was read last; None if there is none."""
    if changed is not None and (history.current is None or history.password is not None):
        return age_of(changed, max_age, now)
    seen = next((one.first_seen_at for one in known if one.fingerprint == history.password), None)
    return None if seen is None else age_of(seen, max_age, now)


def kind_of(fingerprint: str | None) -> Kind:
    """Return what a fingerprint was made from. Without a fingerprint, assume a password."""
    return "token" if fingerprint is not None and fingerprint.startswith("token:") else "password"
