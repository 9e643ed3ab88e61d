"""Which trouble an exception is, what it means for the next run, and how long to wait. Pure."""

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
"""Errors that may be over after a wait: `once` makes the connection anew."""


class Means(Enum):
    """What a trouble means for the next run."""

    ASK_THE_GUARD = auto()
    """The guard has written down what the login came to, and says at the next run what follows from it."""
    NO_LOGIN = auto()
    """A state, not an end: the process stays alive and says what to do."""
    RECONNECT = auto()
    """The connection is given up, and made anew after a wait."""
    STAND_BY = auto()
    """The journal takes nothing: the connection is kept until it does."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps the worker from its work.

    name: a word, as the status page and the metrics have it. advice: for people, logged when the trouble begins; None:
    each time is logged. asked: seconds for which the server, or the guard, asks us to stay away; None: neither does.
    is_ours: a fault of ours.
    """

    name: str
    means: Means
    advice: str | None = None
    asked: float | None = None
    is_ours: bool = False


def trouble_of(error: Exception, now: float) -> Trouble:
    """What this means. now: epoch s."""
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
    """Whether an attempt has failed that may count at the server: that is waited for by people, not by `once`."""
    return isinstance(error, Cooling) and error.standing.failures > 0


def _name_of(refusal: NoAttempt) -> str:
    return type(refusal).__name__.lower()
