"""Which exit code an error ends a command with, and what a person is told."""

from datetime import timedelta

import pytest

from worker.commands.exits import ExitCode
from worker.commands.failures import failure_of, not_logged_in
from worker.journal.database import JournalDamaged, JournalUnavailable, JournalUnprotected
from worker.journal.facts import OtherAccount
from worker.journal.migrate import JournalTooNew
from worker.login.credential import CredentialUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import CredentialRefused, LastAttempt, NoAttempt, NoWayIn, ReasonMissing, ResetNeedsAgain
from worker.login.standing import State
from worker.loop.drain import LeaseHeld, Paused
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    FolderBusy,
    FolderRefused,
    HandshakeFailed,
    JustExpunged,
    NotConnected,
    Preauthenticated,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.folders import CannotCreate, NoJunkFolder, NoSuchFolder
from worker.observe.audit.trail import AuditUnavailable
from worker.pipeline.known_senders import UnusableKey
from worker.pipeline.settle import CannotMove
from worker.pipeline.stop import Stop
from worker.settings import SettingsError

HOST = "mail.example"
CODES = [
    (SettingsError(["x"]), ExitCode.CONFIGURATION),
    (JournalDamaged("x"), ExitCode.CONFIGURATION),
    (JournalUnavailable("x"), ExitCode.CONFIGURATION),
    (JournalUnprotected("x", "y"), ExitCode.CONFIGURATION),
    (JournalTooNew("x"), ExitCode.CONFIGURATION),
    (OtherAccount("x"), ExitCode.CONFIGURATION),
    (NoJunkFolder("x"), ExitCode.CONFIGURATION),
    (CannotMove("x"), ExitCode.CONFIGURATION),
    (CredentialUnavailable("x"), ExitCode.CONFIGURATION),
    (AuditUnavailable("x"), ExitCode.CONFIGURATION),
    (UnusableKey("x"), ExitCode.CONFIGURATION),
    (LeaseHeld("x"), ExitCode.NOT_NOW),
    (Paused("x"), ExitCode.NOT_NOW),
    (AttemptInProgress("x"), ExitCode.NOT_NOW),
    (LastAttempt("x"), ExitCode.NOT_NOW),
    (Throttled("x", after=timedelta(seconds=5)), ExitCode.NOT_NOW),
    (Stop(), ExitCode.NOT_NOW),
    (NoAttempt("x"), ExitCode.HALTED),
    (ResetNeedsAgain("x"), ExitCode.HALTED),
    (CredentialRefused("x", []), ExitCode.HALTED),
    (ReasonMissing(), ExitCode.USAGE),
    (NoWayIn("x"), ExitCode.HALTED),
    (Preauthenticated("x"), ExitCode.CONFIGURATION),
    (TlsRefused("x"), ExitCode.UNREACHABLE),
    (HandshakeFailed("x"), ExitCode.UNREACHABLE),
    (ConnectionLost("x"), ExitCode.UNREACHABLE),
    (ServerUnavailable("x"), ExitCode.UNREACHABLE),
    (FolderBusy("Results", "x"), ExitCode.NOT_NOW),
    (FolderRefused("Results"), ExitCode.CONFIGURATION),
    (CannotCreate("x"), ExitCode.CONFIGURATION),
    (TokenExpired("x"), ExitCode.UNREACHABLE),
    (NotConnected("x"), ExitCode.UNREACHABLE),
    (ProtocolFault("x"), ExitCode.FAULT),
    (CommandRefused("x"), ExitCode.NOT_NOW),
    (JustExpunged("x"), ExitCode.NOT_NOW),
]


@pytest.mark.parametrize(("error", "code"), CODES, ids=[type(error).__name__ for error, _ in CODES])
def test_each_error_has_its_exit_code(error: Exception, code: ExitCode) -> None:
    failure = failure_of(error, host=HOST)
    assert failure is not None
    assert failure.code is code
    assert str(failure)


def test_an_error_that_nobody_raises_on_purpose_is_a_fault_of_ours() -> None:
    assert failure_of(ValueError("x"), host=HOST) is None
    assert failure_of(OSError("x"), host=HOST) is None


def test_the_server_is_named_where_it_is_to_blame() -> None:
    assert str(failure_of(ConnectionLost("it hung up"), host=HOST)).startswith(f"{HOST} can't be reached: it hung up.")
    assert f"{HOST} asks for a pause of 90 s." in str(
        failure_of(Throttled("x", after=timedelta(seconds=90)), host=HOST)
    )


@pytest.mark.parametrize(
    ("state", "code"),
    [(State.READY, ExitCode.NOT_NOW), (State.COOLING, ExitCode.NOT_NOW), (State.HALTED, ExitCode.HALTED)],
)
def test_a_rejected_login_ends_with_how_the_login_stands_since(state: State, code: ExitCode) -> None:
    failure = not_logged_in(state, "Ring somebody.")
    assert (failure.code, str(failure)) == (code, "Ring somebody.")


def test_the_folders_that_there_are_come_with_the_one_that_is_not_and_are_safe_to_print() -> None:
    there = ["Lab\x1b[2J results\N{RIGHT-TO-LEFT OVERRIDE}", "x" * 200, *(f"Folder {number}" for number in range(60))]
    text = str(failure_of(NoSuchFolder("No folder 'Results'.", there), host=HOST))
    assert "No folder 'Results'. Its folders are 'Lab?[2J results?', 'xxx" in text
    assert "and 32 more." in text
    assert text.isprintable()
    assert "x" * 100 not in text
    assert "Its folders" not in str(failure_of(NoSuchFolder("No folder."), host=HOST))


@pytest.mark.parametrize(
    ("error", "begins", "step"),
    [
        (
            ServerUnavailable("x", fault="NAME_NOT_RESOLVED"),
            "The name mail.example can't be resolved.",
            "Check `host` under `[account]`, and this machine's name server: `getent hosts mail.example`.",
        ),
        (
            HandshakeFailed("x", fault="NOT_TLS"),
            "mail.example answers, but this port doesn't speak TLS.",
            "Check `port` under `[account]`: 993 speaks TLS from the first byte, 143 doesn't.",
        ),
        (
            JournalUnavailable("could not translate host name"),
            "The name of the database server can't be resolved.",
            "Check the host's name in `[state] journal`, and this machine's name server.",
        ),
        (
            JournalUnavailable("database or disk is full"),
            "No space is left on the journal's disk.",
            "Free space on the disk of the folder of `[state] dir`.",
        ),
    ],
)
def test_what_is_wrong_with_the_connection_is_said_first_and_what_to_do_last(
    error: Exception, begins: str, step: str
) -> None:
    failure = failure_of(error, host=HOST)
    assert str(failure).startswith(begins)
    assert str(failure).endswith(step)
