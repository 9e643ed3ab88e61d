"""What went wrong, for a person: what happened, what it means for the account or the mail, what to do next."""

from worker.commands.exits import ExitCode, Failure
from worker.journal.database import JournalDamaged, JournalUnavailable
from worker.journal.facts import OtherAccount
from worker.journal.migrate import JournalTooNew
from worker.login.advice import DECLINED, RAN_OUT, UNREACHABLE
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
from worker.pipeline.settle import CannotMove
from worker.settings import SettingsError

KNOWN = (MailboxError, JournalUnavailable, JournalTooNew, OtherAccount, FolderProblem, CannotMove)
"""What `failure_of` has words for."""


def failure_of(error: Exception, *, host: str = "") -> Failure:
    """The failure that ends a command for one of `KNOWN`."""
    code, text = _answer(error, host)
    return Failure(code, text)


def faulty(error: SettingsError) -> Failure:
    """The failure that ends a command for a configuration with faults: every one of them, one a line."""
    count = len(error.faults)
    lines = [f"The configuration has {count} fault{'s' if count != 1 else ''}; no connection was made."]
    return Failure(ExitCode.CONFIGURATION, "\n".join([*lines, *(f"  - {fault}" for fault in error.faults)]))


def sign_in_code(failure: LoginFailure) -> ExitCode:
    """The exit code of a sign-in with a browser that wasn't made."""
    if failure.said in (DECLINED, RAN_OUT):
        return ExitCode.NOT_NOW
    if failure.cls in UNREACHABLE:
        return ExitCode.UNREACHABLE
    return ExitCode.CONFIGURATION if failure.cls is FailureClass.CONFIGURATION else ExitCode.NOT_NOW


def _answer(error: Exception, host: str) -> tuple[ExitCode, str]:
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
        case JournalTooNew() | OtherAccount() | FolderProblem() | CannotMove():
            return ExitCode.CONFIGURATION, str(error)
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
