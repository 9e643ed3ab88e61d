"""The guard's messages to a person: what happened, how many attempts are left, when the next one is made, what to do.

Who does what is taken from NHSmail's policy text: a person changes the password, the Local Administrator unlocks and
enables the account, and the helpdesk answers questions about the connection, but none about this program.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from worker.login.backoff import Lockout
from worker.login.credential import Auth
from worker.login.standing import Reason, Standing, State
from worker.mailbox.login_failures import FailureClass, Kind, LoginFailure


@dataclass(frozen=True, slots=True)
class Help:
    """Whom a person can turn to, as the settings word it."""

    local_administrator: str = "your Local Administrator"
    helpdesk: str = "the NHSmail helpdesk, 0333 200 1133"


_RESET: Final = "run `nhsmail-worker login reset --reason …`"
_SIGN_IN: Final = "Sign in again with `nhsmail-worker login authorise`; it is used at once."

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


_WHAT_OF_TOKENS: Final[dict[str, str]] = {
    Reason.UNANSWERED: "A login with an OAuth token ended without an answer; no password was sent, so nothing counts.",
    FailureClass.LOST_AFTER_SENDING: (
        "The connection was lost before the OAuth token was answered; no password was sent, so nothing counts."
    ),
    FailureClass.AMBIGUOUS: "The server's answer to the OAuth token is unclear; no password was sent.",
}
_WHAT_OF_SECRETS: Final = {
    "AADSTS7000222": "The application's client secret has expired.",
    "AADSTS7000215": "The application's client secret isn't the right one.",
}
_SETTLED_ELSEWHERE: Final = frozenset({"AADSTS50076", "AADSTS50079", "AADSTS53003", "AADSTS65001"})
"""The sign-in service wants a second factor or a consent, or a sign-in rule applies: no setting of ours helps."""


def what_happened(reason: str | None, *, kind: Kind = "password", said: str = "") -> str:
    """Return one sentence for a `Standing`'s reason, given its kind of credential and the server's words."""
    if reason == FailureClass.CONFIGURATION and said in _WHAT_OF_SECRETS:
        return _WHAT_OF_SECRETS[said]
    if kind == "token" and reason in _WHAT_OF_TOKENS:
        return _WHAT_OF_TOKENS[reason]
    return _WHAT.get(reason or "", "The login hasn't succeeded yet.")


def advise(
    standing: Standing,
    rules: Lockout,
    help_: Help,
    *,
    account: str,
    needs_restart: bool = False,
    auth: Auth = "password",
) -> str:
    """Return the whole message for a standing. needs_restart and auth are as in `CredentialSource`."""
    what = what_happened(standing.reason, kind=standing.kind, said=standing.said)
    parts = [f"{what} No mail of {account} is read meanwhile; it is safe in the mailbox."]
    parts.append(_left(standing, rules))
    if standing.next_at is not None:
        parts.append(f"The next attempt comes at {moment(standing.next_at)}.")
    elif standing.state is State.HALTED:
        parts.append("No further attempt is made by itself.")
    parts.append(_what_to_do(standing, _Ways(help_, account, auth, needs_restart=needs_restart)))
    return " ".join(part for part in parts if part)


def refusal(faults: list[str], account: str, *, needs_restart: bool) -> str:
    """Return the message for a password that breaks the policy."""
    return (
        f"The password wasn't sent, since by the password policy it can't be right: {'; '.join(faults)}. No mail of "
        f"{account} is read meanwhile; it is safe in the mailbox. No attempt was spent. "
        f"{_changed(needs_restart=needs_restart)} "
        "If the policy of this account is another one, set `policy` under `[password]`."
    )


DECLINED: Final = "declined"
RAN_OUT: Final = "ran out"
UNREACHABLE: Final = frozenset(
    {FailureClass.LOST_BEFORE_SENDING, FailureClass.LOST_AFTER_SENDING, FailureClass.UNAVAILABLE}
)
"""Sign-in failures that mean that the service wasn't reached or gave no answer."""


def not_signed_in(found: LoginFailure, help_: Help, *, account: str, authority: str) -> str:
    """Return the message for a browser sign-in that failed. authority: the sign-in service's host."""
    said = f" ({found.said})" if found.said else ""
    again = "Run it again: `nhsmail-worker login authorise`"
    if found.said in (DECLINED, RAN_OUT):
        how = "was declined in the browser" if found.said == DECLINED else "didn't come before its code ran out"
        what, do = f"The sign-in {how}.", f"{again}, and sign in as {account}."
    elif found.cls in UNREACHABLE:
        what = f"The sign-in service {authority} can't be reached, or gave no answer{said}."
        do = f"Check `authority` under `[account.oauth]` and the network. {again} later."
    elif found.cls is FailureClass.THROTTLED:
        wait = 0 if found.retry_after is None else int(found.retry_after.total_seconds())
        what, do = f"The sign-in service {authority} asks for a pause of {wait} s.", f"{again} after that."
    elif found.cls is FailureClass.CONFIGURATION:
        what = f"The sign-in service {authority} doesn't let this application sign anybody in{said}."
        if found.said in _SETTLED_ELSEWHERE:
            do = f"It asks for a consent or a second factor: ask {help_.local_administrator} to have it put right."
        else:
            do = "Check the application's tenant, client id and authority under `[account.oauth]`."
        do = f"{do} {again} once that is done."
    else:
        what = f"{what_happened(found.cls, kind='token')} The sign-in service {authority} said so{said}."
        do = f"{again}; if it ends so again, ask {help_.local_administrator} about the account."
    return f"{what} Nothing was kept, and no attempt was spent. {do}"


def last_attempt(standing: Standing) -> str:
    """Return the message for a command that is refused the last attempt."""
    return (
        f"Only {standing.remaining_for_credential} attempt is left before the worker stops trying this credential, and "
        "this command doesn't use it up. Find out first why logins fail; `login status` says more."
    )


def reset_again() -> str:
    """Return the message for a second reset with no success since the first."""
    return (
        "The login was reset before, and hasn't succeeded since. Each reset lets the worker use its attempts anew, and "
        "the server may not have forgotten the former ones: the account could be locked. If it is known to be "
        "unlocked, and the password to be right, repeat the command with --again."
    )


def moment(at: float) -> str:
    """Format a time for people and logs: RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _left(standing: Standing, rules: Lockout) -> str:
    if standing.failures == 0:
        return ""
    return (
        f"Failed attempts that count: {standing.failures}; left for the worker: {standing.remaining}, with this "
        f"credential {standing.remaining_for_credential} (the account locks at {rules.threshold}, {rules.reserve} are "
        "kept in reserve)."
    )


def _changed(*, needs_restart: bool) -> str:
    if needs_restart:
        return (
            "Put the right password in the worker's environment and restart it (its environment is read at start only)."
        )
    return "Put the right password in the password file; it is tried at once, no restart is needed."


@dataclass(frozen=True, slots=True)
class _Ways:
    """What can be done about a standing, and who can do it."""

    help: Help
    account: str
    auth: Auth
    needs_restart: bool

    @property
    def who(self) -> str:
        return self.help.local_administrator

    def change(self) -> str:
        return _changed(needs_restart=self.needs_restart)

    def expired(self) -> str:
        new = f"Change the password. Where that can't be done, ask {self.who} to set a new one."
        match self.auth:
            case "oauth2-device":
                return f"{new} {_SIGN_IN}"
            case "oauth2-client":
                return f"{new} Then {_RESET}."
        return f"{new} {self.change()}"

    def configuration(self, said: str) -> str:
        if said in _WHAT_OF_SECRETS:
            return f"Ask {self.who}, through whom the application was registered, for a new one. {self._new_secret()}"
        asked = (
            f"{self.who[:1].upper()}{self.who[1:]} knows how the mailbox is set up; {self.help.helpdesk} answers "
            "questions about the connection."
        )
        if said in _SETTLED_ELSEWHERE:
            return (
                f"The sign-in service asks for a consent or a second factor ({said}): ask {self.who} to have it put "
                f"right for this application, then {_RESET}."
            )
        if self.auth == "password":
            return (
                "Set `auth` under `[account]` to one of the OAuth flows, as NHSmail's mailboxes need OAuth 2.0 today, "
                f"and restart the worker: another way of logging in is tried at once. {asked}"
            )
        return (
            "Check `auth` under `[account]`, and the application's tenant, client id and authority under "
            f"`[account.oauth]`, and restart the worker: a changed setting is tried at once. {asked}"
        )

    def protocol(self) -> str:
        return (
            "Check `host`, `port` and `auth` under `[account]`, and whether there is a newer version of the worker; "
            f"{self.help.helpdesk} answers questions about the connection. Then {_RESET}."
        )

    def sign_in_again(self) -> str:
        match self.auth:
            case "oauth2-client":
                return f"Ask {self.who} whether the application is still registered for this mailbox, then {_RESET}."
            case "oauth2-password":
                return (
                    f"Sign in as {self.account} with a browser, to see what is asked for there, and change the "
                    f"password where it is. {self.change()} If it is the same as before, {_RESET}."
                )
        return _SIGN_IN

    def _new_secret(self) -> str:
        if self.needs_restart:
            return "Put it into the worker's environment and restart it (its environment is read at start only)."
        return "Put it into the file that `client_secret_file` names; it is tried at once, no restart is needed."


def _what_to_do(standing: Standing, ways: _Ways) -> str:
    if standing.kind == "token" and standing.reason in _WHAT_OF_TOKENS:
        return _about_a_token(standing, ways)
    match standing.reason:
        case Reason.BUDGET | Reason.JOURNAL:
            return (
                f"Make sure that the password is right, ask {ways.who} whether the account is unlocked, then {_RESET}."
            )
        case Reason.CREDENTIAL | FailureClass.REJECTED | FailureClass.AMBIGUOUS | Reason.UNANSWERED:
            unlocked = f"If it is right already, ask {ways.who} whether the account is unlocked, then {_RESET}."
            return f"{ways.change()} {unlocked}"
        case FailureClass.LOST_AFTER_SENDING:
            return _look_at_the_network(ways)
        case FailureClass.LOCKED | FailureClass.DISABLED:
            return f"Ask {ways.who} to unlock or enable the account, then {_RESET}."
        case FailureClass.EXPIRED:
            return ways.expired()
        case FailureClass.CONFIGURATION:
            return ways.configuration(standing.said)
        case FailureClass.PROTOCOL:
            return ways.protocol()
        case Reason.TOKEN | FailureClass.TOKEN_REJECTED:
            return _may_it_read(ways, reset=True)
        case FailureClass.SIGN_IN_AGAIN:
            return ways.sign_in_again()
    return ""


def _about_a_token(standing: Standing, ways: _Ways) -> str:
    if standing.reason == FailureClass.AMBIGUOUS:
        return _may_it_read(ways, reset=standing.state is State.HALTED)
    return _look_at_the_network(ways)


def _look_at_the_network(ways: _Ways) -> str:
    return f"If it happens again, check the network, and ring {ways.help.helpdesk} about the connection."


def _may_it_read(ways: _Ways, *, reset: bool) -> str:
    asked = (
        f"Check that the application may read this mailbox over IMAP, and ask {ways.who} whether IMAP is enabled for it"
    )
    return f"{asked}; then {_RESET}." if reset else f"{asked}."
