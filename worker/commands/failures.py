"""Maps errors to exit codes and texts.

Each text says what happened, what it means for the account or the mail, and what to do next.
"""

from collections.abc import Sequence
from typing import Final

from worker.commands.exits import ExitCode, Failure
from worker.journal.database import JournalDamaged, JournalUnavailable, JournalUnprotected
from worker.journal.facts import OtherAccount
from worker.journal.migrate import JournalTooNew
from worker.journal.trouble_words import trouble_with_journal
from worker.login.credential import CredentialUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, LastAttempt, NoAttempt, ReasonMissing
from worker.login.sign_in_advice import UNREACHABLE
from worker.login.standing import State
from worker.logs.counted import counted
from worker.logs.system_words import NO_SUCH_NAME, NOT_TLS
from worker.loop.drain import LeaseHeld, Paused
from worker.loop.first_mail import NotAgreed
from worker.loop.troubles import PREAUTHENTICATED, by_proxy
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    FolderBusy,
    FolderRefused,
    HandshakeFailed,
    MailboxError,
    NotConnected,
    Preauthenticated,
    ProtocolFault,
    ProxyFailed,
    ServerUnavailable,
    Throttled,
    TlsRefused,
)
from worker.mailbox.folder_names import printable
from worker.mailbox.folders import FolderProblem
from worker.mailbox.login_failures import FailureClass, LoginFailure
from worker.observe.audit.trail import AuditUnavailable
from worker.pipeline.known_senders import UnusableKey
from worker.pipeline.settle import CannotMove
from worker.pipeline.stop import Stop
from worker.settings import SettingsError

MOST_NAMED: Final = 30
"""How many folders are named to a person, of those that there are."""


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
    lines = [f"The configuration has {counted(count, 'fault')}. No connection was made."]
    return Failure(ExitCode.CONFIGURATION, "\n".join([*lines, *(f"  - {fault}" for fault in error.faults)]))


def not_logged_in(state: State, advice: str) -> Failure:
    """A rejected login. state: the state of the guard after the rejection; advice: what the guard tells the user."""
    return Failure(ExitCode.HALTED if state is State.HALTED else ExitCode.NOT_NOW, advice)


def sign_in_code(failure: LoginFailure) -> ExitCode:
    """The exit code of a failed browser sign-in."""
    if failure.cls in UNREACHABLE:
        return ExitCode.UNREACHABLE
    return ExitCode.CONFIGURATION if failure.cls is FailureClass.CONFIGURATION else ExitCode.NOT_NOW


def _journal(error: Exception) -> tuple[ExitCode, str] | None:
    match error:
        case JournalDamaged():
            return ExitCode.CONFIGURATION, (
                f"The journal is damaged: {error}. No login was attempted and no mail was touched. Stop every "
                "worker, then run `nhsmail-worker journal rebuild`: it keeps the damaged file under another name, "
                "and rebuilds the journal from the mailbox."
            )
        case JournalUnprotected():
            return ExitCode.CONFIGURATION, (
                f"The journal can't be used: {error}. Without it the worker can't count logins or record outcomes, "
                f"so it did neither. All mail is where it was. {error.advice}"
            )
        case JournalUnavailable() if (trouble := trouble_with_journal(error)).is_known:
            return ExitCode.CONFIGURATION, (
                f"{trouble.fact} The database says: {error}. The worker made no login, because it couldn't be counted. "
                f"All mail is where it was. {trouble.advice}"
            )
        case JournalUnavailable():
            return ExitCode.CONFIGURATION, (
                f"The journal can't be used: {error}. Without it the worker can't count logins or record outcomes, "
                "so it did neither. All mail is where it was. Check the disk's space, the folder's owner and mode, "
                "and [state] dir."
            )
        case _:
            return None


def _refused(error: Exception) -> tuple[ExitCode, str] | None:
    """Errors whose own text already says what to do."""
    match error:
        case FolderProblem():
            return ExitCode.CONFIGURATION, f"{error}{_folders_there(error.there)} All unsettled mail is where it was."
        case JournalTooNew() | OtherAccount() | CannotMove():
            return ExitCode.CONFIGURATION, str(error)
        case CredentialUnavailable() | AuditUnavailable() | UnusableKey():
            return ExitCode.CONFIGURATION, str(error)
        case LeaseHeld() | Paused() | NotAgreed() | AttemptInProgress():
            return ExitCode.NOT_NOW, str(error)
        case Cooling() | LastAttempt():
            return ExitCode.NOT_NOW, error.advice
        case NoAttempt():
            return ExitCode.HALTED, error.advice
        case ReasonMissing():
            return ExitCode.USAGE, str(error)
        case Stop():
            return ExitCode.NOT_NOW, "Stopped before all mail was handled. Nothing is lost."
        case _:
            return None


def _folders_there(names: Sequence[str]) -> str:
    """The folders that a person may have meant, safe to print."""
    if not names:
        return ""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    named = ", ".join(f"'{printable(name)}'" for name in names[:MOST_NAMED])
    return f" Its folders are {named}{more}."


def _mailbox(error: MailboxError, host: str) -> tuple[ExitCode, str]:
    match error:
        case TlsRefused():
            return ExitCode.UNREACHABLE, (
                f"No trusted connection to {host}: {error}. Nothing was sent, and no login attempt was spent. Check "
                "[account] host. If a private authority signed the server's certificate, name that authority in "
                "ca_file."
            )
        case HandshakeFailed() if error.fault == NOT_TLS:
            return ExitCode.UNREACHABLE, (
                f"{host} answers, but this port doesn't speak TLS. Nothing was sent, and no login attempt was spent. "
                "Check `port` under `[account]`: 993 speaks TLS from the first byte, 143 doesn't."
            )
        case HandshakeFailed():
            return ExitCode.UNREACHABLE, (
                f"{host} answers, but {error}; its certificate isn't the reason. Nothing was sent, and no login "
                "attempt was spent. Check [account] host and port (993 speaks TLS from the first byte, 143 "
                "doesn't), and any proxy or firewall in between. The worker needs TLS 1.2 or newer."
            )
        case Preauthenticated():
            return ExitCode.CONFIGURATION, PREAUTHENTICATED
        case NotConnected():
            return ExitCode.UNREACHABLE, (
                f"{host} accepts the login but doesn't open the mailbox: {error}. All unsettled mail is where it "
                "was. This usually ends on its own: the server is busy. Try again later. If it lasts for an hour, "
                "ask your Local Administrator whether IMAP is enabled for this mailbox. With OAuth, also ask "
                "whether the application may read it."
            )
        case Throttled():
            return ExitCode.NOT_NOW, (
                f"{host} asks for a pause of {int(error.after.total_seconds())} s. All mail is where it was. Try "
                "again after that."
            )
        case FolderBusy():
            return ExitCode.NOT_NOW, (
                f"{host} is there, but {error}. All unsettled mail is where it was. Try again later. If this lasts "
                "for an hour, ask the Local Administrator whether somebody is working on the mailbox."
            )
        case ProxyFailed():
            return ExitCode.UNREACHABLE, by_proxy(error)
        case ServerUnavailable() if error.fault == NO_SUCH_NAME:
            return ExitCode.UNREACHABLE, (
                f"The name {host} can't be resolved. Nothing was sent, and no login attempt was spent. All unsettled "
                "mail is where it was. Check `host` under `[account]`, and this machine's name server: "
                f"`getent hosts {host}`."
            )
        case ConnectionLost() | ServerUnavailable():
            return ExitCode.UNREACHABLE, (
                f"{host} can't be reached: {error}. All unsettled mail is where it was. Check the host, the port and "
                "the network, then try again later."
            )
        case FolderRefused():
            return ExitCode.CONFIGURATION, f"{error} All unsettled mail is where it was."
        case CommandRefused():
            return ExitCode.NOT_NOW, (
                f"{host} is there, but refuses a command of the worker: {error}. All unsettled mail is where it was. "
                "Try again later. If this lasts for an hour, show this text to the Local Administrator, and report it."
            )
        case ProtocolFault():
            return ExitCode.FAULT, (
                f"{host} and the worker don't understand each other: {error}. All unsettled mail is where it was. "
                "Please report it with this text."
            )
        case _:
            return ExitCode.UNREACHABLE, f"{host}: {error}. All unsettled mail is where it was."
