"""What the guard tells a person: what happened, how many attempts are left, when the next comes, and what to do.

The division of labour is the policy text's: a person changes the password, the Local Administrator unlocks and enables
the account, the helpdesk answers questions about the connection, and no question about this program.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from worker.login.backoff import Lockout
from worker.login.standing import Reason, Standing, State
from worker.mailbox.failures import FailureClass


@dataclass(frozen=True, slots=True)
class Help:
    """Whom to turn to, as texts of the settings."""

    local_administrator: str = "your Local Administrator"
    helpdesk: str = "the NHSmail helpdesk, 0333 200 1133"


_RESET: Final = "run `nhsmail-worker login reset --reason …`"

_WHAT: Final[dict[str, str]] = {
    Reason.BUDGET: "All the login attempts that the worker allows itself have failed.",
    Reason.CREDENTIAL: "This password has failed as often as the worker tries one.",
    Reason.TOKEN: "The server has rejected as many OAuth tokens as the worker tries.",
    Reason.JOURNAL: "The journal may have forgotten login attempts: it is missing, restored, rebuilt, or was moved.",
    Reason.UNANSWERED: "A login attempt ended without an answer, so it counts as failed.",
    FailureClass.REJECTED: "The server rejected the user name or password.",
    FailureClass.LOCKED: "The account is locked.",
    FailureClass.DISABLED: "The account is disabled, or its administrator must act.",
    FailureClass.EXPIRED: "The password has expired.",
    FailureClass.CONFIGURATION: "The server doesn't allow this way of logging in.",
    FailureClass.PROTOCOL: "The server didn't understand the login.",
    FailureClass.THROTTLED: "The server asked for a pause.",
    FailureClass.UNAVAILABLE: "The server can't answer logins now.",
    FailureClass.LOST_AFTER_SENDING: "The connection was lost before the login was answered, so it counts as failed.",
    FailureClass.LOST_BEFORE_SENDING: "The connection was lost before anything was sent.",
    FailureClass.AMBIGUOUS: "The server's answer to the login is unclear, so it counts as failed.",
    FailureClass.TOKEN_REJECTED: "The server rejected the OAuth token.",
    FailureClass.TOKEN_EXPIRED: "The OAuth token has run out.",
    FailureClass.SIGN_IN_AGAIN: "The OAuth sign-in is no longer valid.",
}


def what_happened(reason: str | None) -> str:
    """One sentence for a reason of a `Standing`."""
    return _WHAT.get(reason or "", "The login hasn't succeeded yet.")


def advise(standing: Standing, rules: Lockout, help_: Help, *, account: str, needs_restart: bool = False) -> str:
    """The whole message for a standing."""
    parts = [f"{what_happened(standing.reason)} No mail of {account} is read meanwhile; it is safe in the mailbox."]
    parts.append(_left(standing, rules))
    if standing.state is State.COOLING and standing.next_at is not None:
        parts.append(f"The next attempt comes at {moment(standing.next_at)}.")
    elif standing.state is State.HALTED:
        parts.append("No further attempt is made by itself.")
    parts.append(_what_to_do(standing, help_, _changed(needs_restart=needs_restart)))
    return " ".join(part for part in parts if part)


def refusal(faults: list[str], account: str, *, needs_restart: bool) -> str:
    """The message for a password that breaks the policy."""
    return (
        f"The password wasn't sent, since by the password policy it can't be right: {'; '.join(faults)}. No mail of "
        f"{account} is read meanwhile; it is safe in the mailbox. No attempt was spent. "
        f"{_changed(needs_restart=needs_restart)} "
        "If the policy of this account is another one, set `policy` under `[password]`."
    )


def last_attempt(standing: Standing) -> str:
    """The message for a command that isn't given the last attempt."""
    return (
        f"Only {standing.remaining_for_credential} attempt is left before the worker stops trying this credential, and "
        "this command doesn't use it up. Find out first why logins fail; `login status` says more."
    )


def reset_again() -> str:
    """The message for a second reset."""
    return (
        "The login was reset before, and hasn't succeeded since. Each reset lets the worker use its attempts anew, "
        "and the "
        "server may not have forgotten the former ones: the account could be locked. If it is known to be unlocked, "
        "and "
        "the password to be right, repeat the command with --again."
    )


def moment(at: float) -> str:
    """A time for people and logs: RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _left(standing: Standing, rules: Lockout) -> str:
    if standing.failures == 0:
        return ""
    return (
        f"Failed attempts that count: {standing.failures}; left for the worker: {standing.remaining}, with this "
        "credential "
        f"{standing.remaining_for_credential} (the account locks at {rules.threshold}, {rules.reserve} are kept in "
        "reserve)."
    )


def _changed(*, needs_restart: bool) -> str:
    if needs_restart:
        return (
            "Put the right password in the worker's environment and restart it (its environment is read at start only)."
        )
    return "Put the right password in the password file; it is tried at once, no restart is needed."


def _what_to_do(standing: Standing, help_: Help, change: str) -> str:
    who = help_.local_administrator
    match standing.reason:
        case Reason.BUDGET | Reason.JOURNAL:
            return f"Make sure that the password is right, ask {who} whether the account is unlocked, then {_RESET}."
        case Reason.CREDENTIAL | FailureClass.REJECTED | FailureClass.AMBIGUOUS | Reason.UNANSWERED:
            return f"{change} If it is right already, ask {who} whether the account is unlocked, then {_RESET}."
        case FailureClass.LOST_AFTER_SENDING:
            return f"If it happens again, check the network, and ring {help_.helpdesk} about the connection."
        case FailureClass.LOCKED | FailureClass.DISABLED:
            return f"Ask {who} to unlock or enable the account, then {_RESET}."
        case FailureClass.EXPIRED:
            return f"Change the password. {change}"
        case FailureClass.CONFIGURATION | FailureClass.PROTOCOL:
            return (
                f"Check `[account]`, above all `auth`: NHSmail's mailboxes need OAuth 2.0 today. {who.capitalize()} "
                "knows "
                f"how the mailbox is set up; {help_.helpdesk} answers questions about the connection. Then {_RESET}."
            )
        case Reason.TOKEN | FailureClass.TOKEN_REJECTED:
            return (
                f"Check that the application may read this mailbox over IMAP, and ask {who} whether IMAP is enabled "
                "for it; "
                f"then {_RESET}."
            )
        case FailureClass.SIGN_IN_AGAIN:
            return "Sign in again with `nhsmail-worker login authorise`; it is used at once."
    return ""
