"""Maps each error to a trouble: what it is called, what it means for the next run, and how long to wait. Pure."""

from dataclasses import dataclass
from enum import Enum, auto

from worker.journal.database import JournalUnavailable
from worker.login.credential import CredentialUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, NoAttempt, NoWayIn
from worker.logs.system_words import fault_words
from worker.mailbox.errors import (
    ConnectionLost,
    FolderRefused,
    HandshakeFailed,
    LoginFailed,
    MailboxError,
    NotConnected,
    Preauthenticated,
    ProxyFailed,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.folders import FolderProblem
from worker.pipeline.settle import CannotMove

PREAUTHENTICATED = (
    "The mail server greeted the worker as logged in already (PREAUTH), before any login. Nobody knows whose "
    "mailbox that is, so the worker doesn't take its mail. Nothing was sent, and no login attempt was spent. Check "
    "`host` and `port` under `[account]`, and which server answers there."
)
"""What people are told of a server that greets with PREAUTH."""
NO_LOGIN_YET = "The next login waits. `nhsmail-worker login status` says why and what to do. No mail is lost."
"""The guard's own event has its whole advice, which isn't repeated."""
NO_LOGIN = "No login is made. `nhsmail-worker login status` says why and what to do. No mail is lost."
PASSING = (ConnectionLost, NotConnected, TokenExpired, ServerUnavailable, Throttled, Cooling)
"""Errors that may pass: `once` waits and reconnects."""


class Means(Enum):
    """What a trouble means for the next run."""

    ASK_THE_GUARD = auto()
    """Run again at once: the guard has recorded the failed login, and decides whether to allow another."""
    NO_LOGIN = auto()
    """No login now. The process stays alive and says what to do: a restart would only cost another login."""
    RECONNECT = auto()
    """Close the connection, and make a new one after a wait."""
    STAND_BY = auto()
    """The journal can't be written: keep the connection until it can."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What stops the worker.

    name: one word, as on the status page and in the metrics. advice: what people should do, logged once as the trouble
    starts; None: every occurrence is logged instead. asked: seconds that the server or the guard asks us to wait; None:
    neither does. is_ours: a bug of ours.
    """

    name: str
    means: Means
    advice: str | None = None
    asked: float | None = None
    is_ours: bool = False


def trouble_of(error: Exception, now: float) -> Trouble:
    """The trouble that this error means. now: epoch s."""
    match error:
        case Cooling():
            return Trouble(_name_of(error), Means.NO_LOGIN, NO_LOGIN_YET, asked=error.until - now)
        case NoWayIn():
            return Trouble("no-way-in", Means.RECONNECT, error.advice)
        case NoAttempt():
            return Trouble(_name_of(error), Means.NO_LOGIN, NO_LOGIN)
        case LoginFailed():
            return Trouble("login", Means.ASK_THE_GUARD)
        case CredentialUnavailable():
            return Trouble("no-credential", Means.NO_LOGIN, str(error))
        case AttemptInProgress():
            return Trouble("attempt-in-progress", Means.NO_LOGIN, str(error))
        case JournalUnavailable():
            return Trouble("journal", Means.STAND_BY)
        case FolderProblem(there=there) if there:
            advice = f"{error} Run `nhsmail-worker check --connect` to list the folders."
            return Trouble("mailbox", Means.RECONNECT, advice)
        case FolderProblem() | CannotMove() | FolderRefused():
            return Trouble("mailbox", Means.RECONNECT, str(error))
        case TlsRefused():
            return Trouble("certificate", Means.RECONNECT)
        case HandshakeFailed():
            return Trouble("tls", Means.RECONNECT)
        case NotConnected():
            return Trouble("not-connected", Means.RECONNECT)
        case Preauthenticated():
            return Trouble("preauth", Means.RECONNECT, PREAUTHENTICATED)
        case Throttled():
            return Trouble("throttled", Means.RECONNECT, asked=error.after.total_seconds())
        case ProxyFailed():
            return Trouble("proxy", Means.RECONNECT, by_proxy(error))
        case ServerUnavailable(after=after):
            asked = None if after is None else after.total_seconds()
            return Trouble("unreachable", Means.RECONNECT, asked=asked)
        case MailboxError():
            return Trouble("unreachable", Means.RECONNECT)
        case _:
            return Trouble("fault", Means.RECONNECT, is_ours=True)


def by_proxy(error: ProxyFailed) -> str:
    """What people are told if the proxy makes no connection."""
    return (
        f"The mail server wasn't reached, because {error}. Nothing was sent to the mail server, and no login attempt "
        f"was spent. All mail is where it was. Who can act: {error.who}. Run `nhsmail-worker login doctor` to try "
        "again."
    )


def system_says(error: Exception) -> dict[str, str]:
    """For the log: what the operating system, the name service or TLS says of this error. Empty: nothing."""
    words = fault_words(error.fault or "") if isinstance(error, MailboxError) else ""
    return {"errno": words} if words else {}


def is_about_the_login(error: Exception) -> bool:
    """Whether the guard waits because of a failed login that the server may have counted. `once` doesn't wait then."""
    return isinstance(error, Cooling) and error.standing.failures > 0


def _name_of(refusal: NoAttempt) -> str:
    return type(refusal).__name__.lower()
