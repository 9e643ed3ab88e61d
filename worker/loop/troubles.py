"""Maps each error to a trouble: what it is called, what it means for the next run, and how long to wait. Pure."""

from dataclasses import dataclass
from enum import Enum, auto

from worker.journal.database import JournalUnavailable
from worker.login.credential import CredentialUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, NoAttempt
from worker.mailbox.errors import (
    ConnectionLost,
    LoginFailed,
    MailboxError,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.folders import FolderProblem
from worker.pipeline.settle import CannotMove

PASSING = (ConnectionLost, TokenExpired, ServerUnavailable, Throttled, Cooling)
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
            return Trouble(_name_of(error), Means.NO_LOGIN, error.advice, asked=error.until - now)
        case NoAttempt():
            return Trouble(_name_of(error), Means.NO_LOGIN, error.advice)
        case LoginFailed():
            return Trouble("login", Means.ASK_THE_GUARD)
        case CredentialUnavailable():
            return Trouble("no-credential", Means.NO_LOGIN, str(error))
        case AttemptInProgress():
            return Trouble("attempt-in-progress", Means.NO_LOGIN, str(error))
        case JournalUnavailable():
            return Trouble("journal", Means.STAND_BY)
        case FolderProblem() | CannotMove():
            return Trouble("mailbox", Means.RECONNECT, str(error))
        case TlsRefused():
            return Trouble("certificate", Means.RECONNECT)
        case Throttled():
            return Trouble("throttled", Means.RECONNECT, asked=error.after.total_seconds())
        case ServerUnavailable(after=after):
            asked = None if after is None else after.total_seconds()
            return Trouble("unreachable", Means.RECONNECT, asked=asked)
        case MailboxError():
            return Trouble("unreachable", Means.RECONNECT)
        case _:
            return Trouble("fault", Means.RECONNECT, is_ours=True)


def is_about_the_login(error: Exception) -> bool:
    """Whether the guard waits because of a failed login that the server may have counted. `once` doesn't wait then."""
    return isinstance(error, Cooling) and error.standing.failures > 0


def _name_of(refusal: NoAttempt) -> str:
    return type(refusal).__name__.lower()
