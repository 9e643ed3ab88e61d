"""Maps errors to exit codes and texts.

Each text says what happened, what it means for the account or the mail, and what to do next.
"""

from worker.commands.exits import ExitCode, Failure
from worker.journal.database import JournalDamaged, JournalUnavailable
from worker.journal.facts import OtherAccount
from worker.journal.migrate import JournalTooNew
from worker.login.advice import DECLINED, RAN_OUT, UNREACHABLE
from worker.login.credential import CredentialUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, LastAttempt, NoAttempt, ReasonMissing
from worker.login.standing import State
from worker.loop.drain import LeaseHeld, Paused
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    MailboxError,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
    TlsRefused,
)
from worker.mailbox.folders import FolderProblem
from worker.mailbox.login_failures import FailureClass, LoginFailure
from worker.observe.audit.trail import AuditUnavailable
from worker.pipeline.known_senders import UnusableKey
from worker.pipeline.settle import CannotMove
from worker.pipeline.stop import Stop
from worker.settings import SettingsError


def failure_of(error: Exception, *, host: str) -> Failure | None:
    """The exit code and text for an error; None if it is a bug of ours.

    A rejected login isn't mapped here: see `not_logged_in`.
    """
    if isinstance(error, SettingsError):
        return faulty(error)
    answer = _mailbox(error, host) if isinstance(error, MailboxError) else _journal(error) or _refused(error)
    return None if answer is None else Failure(*answer)


def faulty(error: SettingsError) -> Failure:
    """A faulty configuration: every fault, one per line."""
    count = len(error.faults)
    lines = [f"The configuration has {count} fault{'s' if count != 1 else ''}; no connection was made."]
    return Failure(ExitCode.CONFIGURATION, "\n".join([*lines, *(f"  - {fault}" for fault in error.faults)]))


def not_logged_in(state: State, advice: str) -> Failure:
    """A rejected login. state: the state of the guard after the rejection; advice: what the guard tells the user."""
    return Failure(ExitCode.HALTED if state is State.HALTED else ExitCode.NOT_NOW, advice)


def sign_in_code(failure: LoginFailure) -> ExitCode:
    """The exit code of a failed browser sign-in."""
    if failure.said in (DECLINED, RAN_OUT):
        return ExitCode.NOT_NOW
    if failure.cls in UNREACHABLE:
        return ExitCode.UNREACHABLE
    return ExitCode.CONFIGURATION if failure.cls is FailureClass.CONFIGURATION else ExitCode.NOT_NOW


def _journal(error: Exception) -> tuple[ExitCode, str] | None:
    match error:
        case JournalDamaged():
            return ExitCode.CONFIGURATION, (
                f"The journal is damaged: {error}. No login was attempted and no mail was touched. Stop every worker, "
                "then run `nhsmail-worker journal rebuild`: it keeps the damaged file under another name, and makes "
                "the journal anew from the mailbox."
            )
        case JournalUnavailable():
            return ExitCode.CONFIGURATION, (
                f"The journal can't be used: {error}. Without it no login is counted and no outcome recorded, so none "
                "was attempted; all mail is where it was. Check the disk's space, the folder's owner and mode, and "
                "[state] dir."
            )
        case _:
            return None


def _refused(error: Exception) -> tuple[ExitCode, str] | None:
    """Errors whose own text already says what to do."""
    match error:
        case JournalTooNew() | OtherAccount() | FolderProblem() | CannotMove():
            return ExitCode.CONFIGURATION, str(error)
        case CredentialUnavailable() | AuditUnavailable() | UnusableKey():
            return ExitCode.CONFIGURATION, str(error)
        case LeaseHeld() | Paused() | AttemptInProgress():
            return ExitCode.NOT_NOW, str(error)
        case Cooling() | LastAttempt():
            return ExitCode.NOT_NOW, error.advice
        case NoAttempt():
            return ExitCode.HALTED, error.advice
        case ReasonMissing():
            return ExitCode.USAGE, str(error)
        case Stop():
            return ExitCode.NOT_NOW, "Stopped before the mailbox was drained; nothing is lost."
        case _:
            return None


def _mailbox(error: MailboxError, host: str) -> tuple[ExitCode, str]:
    match error:
        case TlsRefused():
            return ExitCode.UNREACHABLE, (
                f"No trusted connection to {host}: {error}. Nothing was sent, and no login attempt was spent. Check "
                "[account] host; where the server has a certificate of a private authority, name it in ca_file."
            )
        case Throttled():
            return ExitCode.NOT_NOW, (
                f"{host} asks for a pause of {int(error.after.total_seconds())} s. All mail is where it was; try again "
                "after that."
            )
        case ConnectionLost() | ServerUnavailable():
            return ExitCode.UNREACHABLE, (
                f"{host} can't be reached: {error}. All unsettled mail is where it was. Check the host, the port and "
                "the network; try again later."
            )
        case ProtocolFault() | CommandRefused():
            return ExitCode.FAULT, (
                f"{host} and the worker don't understand each other: {error}. All unsettled mail is where it was. "
                "Please report it with this text."
            )
        case _:
            return ExitCode.UNREACHABLE, f"{host}: {error}. All unsettled mail is where it was."
