"""Which trouble an exception is."""

from worker.journal.database import JournalUnavailable
from worker.login.credential import CredentialUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, NoAttempt
from worker.mailbox.errors import (
    LoginFailed,
    MailboxError,
    Throttled,
    TlsRefused,
)
from worker.mailbox.folders import FolderProblem
from worker.pipeline.settle import CannotMove


def is_about_the_login(error: Exception) -> bool:
    """Whether an attempt has failed that may count at the server: that is waited for by people, not by `once`."""
    return isinstance(error, Cooling) and error.standing.failures > 0


def trouble_of(error: Exception) -> str:
    """The trouble in a word, as the status page and the metrics have it."""
    match error:
        case NoAttempt():
            return type(error).__name__.lower()
        case LoginFailed():
            return "login"
        case CredentialUnavailable():
            return "no-credential"
        case AttemptInProgress():
            return "attempt-in-progress"
        case JournalUnavailable():
            return "journal"
        case FolderProblem() | CannotMove():
            return "mailbox"
        case TlsRefused():
            return "certificate"
        case Throttled():
            return "throttled"
        case MailboxError():
            return "unreachable"
        case _:
            return "fault"
