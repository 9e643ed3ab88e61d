"""The guard's messages to a person: what happened, how many attempts are left, when the next one is made, what to do.

Who does what is taken from NHSmail's policy text: a person changes the password, the Local Administrator unlocks and
enables the account, and the helpdesk answers questions about the connection, but none about this program.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from worker.login.backoff import Lockout
from worker.login.credential import Auth
from worker.login.endpoint_advice import (
    RESET,
    SIGN_IN,
    is_without_error,
    meaning,
    remedy,
    words,
)
from worker.login.endpoint_answers import find
from worker.login.exchange_advice import FAILED, after_its_refusal, is_its_refusal
from worker.login.standing import Reason, Standing, State
from worker.login.token_claims import cause_advice, cause_in
from worker.mailbox.login_failures import FailureClass, Kind


@dataclass(frozen=True, slots=True)
class Help:
    """Whom a person can turn to, as the settings word it."""

    local_administrator: str = "your Local Administrator"
    helpdesk: str = "the NHSmail helpdesk, 0333 200 1133"


_WHAT: Final[dict[str, str]] = {
    Reason.BUDGET: "The worker has used all its login attempts, and all failed.",
    Reason.CREDENTIAL: "This password has failed as often as the worker may try it.",
    Reason.TOKEN: "The server has rejected as many OAuth tokens as the worker may try.",
    Reason.JOURNAL: "The journal may have forgotten login attempts: it is missing, or was restored, rebuilt or moved.",
    Reason.WAY_IN: "The server doesn't offer the login method in the settings.",
    Reason.OAUTH_ONLY: "The server doesn't accept passwords over IMAP, so the worker didn't send one.",
    Reason.UNANSWERED: "A login attempt got no answer, so it counts as failed.",
    FailureClass.REJECTED: "The server rejected the user name or password.",
    FailureClass.LOCKED: "The account is locked.",
    FailureClass.DISABLED: "The account is disabled, or its administrator must enable it.",
    FailureClass.EXPIRED: "The password has expired.",
    FailureClass.CONFIGURATION: "The server doesn't allow this login method.",
    FailureClass.PROTOCOL: "The server didn't understand the login.",
    FailureClass.THROTTLED: "The server asked for a pause.",
    FailureClass.UNAVAILABLE: "The server can't answer logins now.",
    FailureClass.LOST_AFTER_SENDING: "The connection was lost before the login was answered, so it counts as failed.",
    FailureClass.LOST_BEFORE_SENDING: "The connection ended before the worker sent anything.",
    FailureClass.AMBIGUOUS: "The server's answer to the login is unclear, so it counts as failed.",
    FailureClass.TOKEN_REJECTED: "The server rejected the OAuth token.",
    FailureClass.TOKEN_EXPIRED: "The OAuth token has expired.",
    FailureClass.SIGN_IN_AGAIN: "The OAuth sign-in is no longer valid.",
}


_WHAT_OF_TOKENS: Final[dict[str, str]] = {
    Reason.UNANSWERED: "A login with an OAuth token got no answer. No password was sent, so it doesn't count.",
    FailureClass.LOST_AFTER_SENDING: (
        "The connection was lost before the server answered the OAuth token. No password was sent, so it doesn't count."
    ),
    FailureClass.AMBIGUOUS: "The server's answer to the OAuth token is unclear. No password was sent.",
}
NO_SIGN_IN_SERVICE: Final = "The server at the sign-in service's address isn't a sign-in service"
CHECK_AUTHORITY: Final = (
    "Check `authority` and `tenant` under `[account.oauth]`. Check also whether a proxy answers instead."
)
_ABOUT_TOKENS: Final = frozenset({FailureClass.TOKEN_EXPIRED, FailureClass.TOKEN_REJECTED, FailureClass.SIGN_IN_AGAIN})
"""Reasons that are about a token, whatever is sent next."""
_SPENT: Final = frozenset({Reason.BUDGET, Reason.CREDENTIAL, Reason.TOKEN})
"""Reasons that are a limit. What the last answer said is told besides."""
UNANSWERED: Final = frozenset({FailureClass.LOST_BEFORE_SENDING, FailureClass.LOST_AFTER_SENDING})
_NO_ERROR: Final = "The sign-in service's address answered without an OAuth error"


def what_happened(reason: str | None, *, kind: Kind = "password", said: str = "") -> str:
    """Return one sentence for a `Standing`'s reason, given its kind of credential and what it says of the reason."""
    if reason == Reason.JOURNAL and said:
        return f"The journal may have forgotten login attempts: {said}."
    answered = meaning(said, _about(reason, kind))
    if answered is not None and reason in UNANSWERED:
        return f"{_WHAT[reason]} {words(said)}"
    if answered is not None:
        return f"{_WHAT[reason]} The last: {answered}" if reason in _SPENT else answered
    if reason == FailureClass.AMBIGUOUS and is_without_error(said):
        return f"{_NO_ERROR}: {said}.{' The password was sent, so it counts as failed.' if kind == 'password' else ''}"
    if reason == FailureClass.UNAVAILABLE and said == NO_DISCOVERY:
        return f"{NO_SIGN_IN_SERVICE}, so the worker sent nothing to it."
    if reason == FailureClass.UNAVAILABLE and said.startswith(BY_PROXY):
        return f"The sign-in service wasn't reached, because {said.removeprefix(BY_PROXY)}. Nothing was sent to it."
    if reason in UNANSWERED and said.startswith(UNREACHED):
        return f"The sign-in service wasn't reached: {said.removeprefix(UNREACHED)}. Nothing was sent to it."
    if reason == Reason.WAY_IN and said:
        return f"The server doesn't offer the login method in the settings. What it offers: {said}."
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
    exchange_online: bool = False,
) -> str:
    """Return the whole message for a standing. needs_restart and auth are as in `CredentialSource`.

    exchange_online: the mail server is Exchange Online, whose refusals mean something of their own.
    """
    its_refusal = exchange_online and auth == "password" and is_its_refusal(standing)
    what = FAILED if its_refusal else what_happened(standing.reason, kind=standing.kind, said=standing.said)
    parts = [f"{what} No mail of {account} is read meanwhile. It is safe in the mailbox."]
    parts.append(_left(standing, rules))
    if standing.next_at is not None:
        parts.append(f"The next attempt is at {moment(standing.next_at)}.")
    elif standing.reason == Reason.WAY_IN:
        parts.append("The worker sent nothing. It keeps checking, and that uses no attempt.")
    elif standing.state is State.HALTED:
        parts.append("The worker makes no further attempt on its own.")
    if its_refusal:
        parts.append(after_its_refusal(help_.local_administrator, halted=standing.state is State.HALTED))
    else:
        parts.append(_what_to_do(standing, _Ways(help_, account, auth, needs_restart=needs_restart)))
    return " ".join(part for part in parts if part)


def refusal(broken: str, account: str, *, needs_restart: bool) -> str:
    """Return the message for a password that breaks the policy. broken: which rules, as `Refusal` words it."""
    return (
        f"The worker didn't send the password, because it can't be right: {broken}. No mail of {account} is read "
        f"meanwhile. It is safe in the mailbox. No attempt was spent. {_changed(needs_restart=needs_restart)} If "
        "another policy applies, set `policy` under `[password]`."
    )


NO_DISCOVERY: Final = "discovery"
"""What answers at the sign-in service's address isn't one: a proxy's page, perhaps, or a wrong address."""

BY_PROXY: Final = "proxy: "
"""How the words begin that say why the proxy made no connection to the sign-in service."""
UNREACHED: Final = "unreached: "
"""How the words begin that say why there was no connection to the sign-in service."""
CHECK_NAME: Final = "Check `authority` under `[account.oauth]`, and this machine's name server."
ASK_FOR_THE_PROXY: Final = (
    "Run `nhsmail-worker login doctor`: it shows what the proxy in `[proxy]` refuses. Then ask the people who run "
    "the proxy."
)


def last_attempt(standing: Standing) -> str:
    """Return the message for a command that is refused the last attempt."""
    return (
        f"Only {standing.remaining_for_credential} attempt is left before the worker stops trying this credential, "
        "and this command leaves it unused. First find out why logins fail: run `nhsmail-worker login status`."
    )


def reset_again() -> str:
    """Return the message for a second reset with no success since the first."""
    return (
        "The login was reset before, and no login has succeeded since. Each reset allows the worker all its "
        "attempts again. The server may still count the earlier ones, so another reset could lock the account. If "
        "you know that the account is unlocked and the password is right, repeat the command with --again."
    )


def moment(at: float) -> str:
    """Format a time for people and logs: RFC 3339, UTC, whole seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _left(standing: Standing, rules: Lockout) -> str:
    if standing.failures == 0:
        return ""
    return (
        f"Failed attempts that count: {standing.failures}. Left for the worker: {standing.remaining}, with this "
        f"credential {standing.remaining_for_credential}. The account locks at {rules.threshold}, and the worker "
        f"leaves {rules.reserve} for people."
    )


def _about(reason: str | None, kind: Kind) -> Kind:
    return "token" if reason in _ABOUT_TOKENS else kind


def _changed(*, needs_restart: bool) -> str:
    if needs_restart:
        return (
            "Put the right password in the worker's environment and restart the worker. It reads the environment "
            "only at the start."
        )
    return "Put the right password in the password file. It is tried at once, without a restart."


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
        new = f"Change the password. If you can't, ask {self.who} to set a new one."
        match self.auth:
            case "oauth2-browser" | "oauth2-device":
                return f"{new} {SIGN_IN}"
            case "oauth2-client":
                return f"{new} Then {RESET}."
        return f"{new} {self.change()}"

    def configuration(self) -> str:
        asked = (
            f"{self.who[:1].upper()}{self.who[1:]} knows how the mailbox is set up. "
            f"{self.help.helpdesk[:1].upper()}{self.help.helpdesk[1:]} answers questions about the connection."
        )
        if self.auth == "password":
            return (
                "NHSmail's mailboxes need OAuth 2.0. Set `auth` under `[account]` to one of the OAuth flows, then "
                f"restart the worker: the new method is tried at once. {asked}"
            )
        return (
            "Check `auth` under `[account]`, and the application's tenant, client id and authority under "
            f"`[account.oauth]`. Then restart the worker: a changed setting is tried at once. {asked}"
        )

    def way_in(self) -> str:
        needs = "A password needs LOGIN or AUTH=PLAIN. A password that isn't ASCII needs AUTH=PLAIN"
        if self.auth != "password":
            needs = "OAuth needs AUTH=XOAUTH2"
        return f"{needs}. Check `host`, `port` and `auth` under `[account]`, or ask {self.who} to allow it."

    def protocol(self) -> str:
        return (
            "Check `host`, `port` and `auth` under `[account]`, and look for a newer version of the worker. "
            f"{self.help.helpdesk[:1].upper()}{self.help.helpdesk[1:]} answers questions about the connection. Then "
            f"{RESET}."
        )

    def sign_in_again(self) -> str:
        match self.auth:
            case "oauth2-client":
                return f"Ask {self.who} whether the application is still registered for this mailbox, then {RESET}."
            case "oauth2-password":
                return (
                    f"Sign in as {self.account} with a browser to see what the service asks for. If it asks for a "
                    f"new password, change it. {self.change()} If the password is the same as before, {RESET}."
                )
        return SIGN_IN


def _by_the_table(standing: Standing, ways: _Ways) -> str | None:
    """What to do about a refusal of the token endpoint; None where the reason alone says it."""
    if standing.reason in UNANSWERED | {Reason.BUDGET, Reason.CREDENTIAL, Reason.JOURNAL, FailureClass.TOKEN_EXPIRED}:
        return None
    kind = _about(standing.reason, standing.kind)
    row = find(standing.said, kind)
    if row is not None:
        return remedy(row, ways)
    if kind == "password":
        return None
    then = f" Then {RESET}." if standing.state is State.HALTED else ""
    if is_without_error(standing.said) and standing.reason in {FailureClass.AMBIGUOUS, Reason.TOKEN}:
        return f"{CHECK_AUTHORITY}{then}"
    if meaning(standing.said, kind) is not None:
        return f"Ask {ways.who}, who had the application registered, and quote this message.{then}"
    return None


def _what_to_do(standing: Standing, ways: _Ways) -> str:
    by_the_table = _by_the_table(standing, ways)
    if by_the_table is not None:
        return by_the_table
    if standing.kind == "token" and standing.reason in _WHAT_OF_TOKENS:
        return _about_a_token(standing, ways)
    match standing.reason:
        case Reason.BUDGET | Reason.JOURNAL:
            return (
                f"Make sure that the password is right, ask {ways.who} whether the account is unlocked, then {RESET}."
            )
        case Reason.CREDENTIAL | FailureClass.REJECTED | FailureClass.AMBIGUOUS | Reason.UNANSWERED:
            unlocked = f"If it was right already, ask {ways.who} whether the account is unlocked, then {RESET}."
            return f"{ways.change()} {unlocked}"
        case FailureClass.UNAVAILABLE if standing.said == NO_DISCOVERY:
            return CHECK_AUTHORITY
        case FailureClass.UNAVAILABLE if standing.said.startswith(BY_PROXY):
            return ASK_FOR_THE_PROXY
        case FailureClass.LOST_BEFORE_SENDING if standing.said.startswith(UNREACHED):
            return CHECK_NAME
        case FailureClass.LOST_AFTER_SENDING:
            return _look_at_the_network(ways)
        case FailureClass.LOCKED | FailureClass.DISABLED:
            return f"Ask {ways.who} to unlock or enable the account, then {RESET}."
        case FailureClass.EXPIRED:
            return ways.expired()
        case FailureClass.CONFIGURATION:
            return ways.configuration()
        case Reason.WAY_IN:
            return ways.way_in()
        case FailureClass.PROTOCOL:
            return ways.protocol()
        case Reason.TOKEN | FailureClass.TOKEN_REJECTED:
            return _may_it_read(standing, ways, reset=True)
        case FailureClass.SIGN_IN_AGAIN:
            return ways.sign_in_again()
    return ""


def _about_a_token(standing: Standing, ways: _Ways) -> str:
    if standing.reason == FailureClass.AMBIGUOUS:
        return _may_it_read(standing, ways, reset=standing.state is State.HALTED)
    return _look_at_the_network(ways)


def _look_at_the_network(ways: _Ways) -> str:
    return f"If it happens again, check the network, then ring {ways.help.helpdesk} about the connection."


def _may_it_read(standing: Standing, ways: _Ways, *, reset: bool) -> str:
    asked = cause_advice(cause_in(standing.said), ways.who)
    return f"{asked}; then {RESET}." if reset else f"{asked}."
