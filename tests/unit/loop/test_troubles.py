"""Which trouble an exception is, and how long the server or the guard asks us to stay away."""

from datetime import timedelta

import pytest

from tests.unit.loop.test_cycle import COOLING, HALTED, REFUSED
from worker.journal.database import JournalDamaged, JournalUnavailable
from worker.login.credential import CredentialUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, CredentialRefused, NoWayIn
from worker.login.standing import Standing, State
from worker.loop.troubles import (
    NO_LOGIN,
    NO_LOGIN_YET,
    PREAUTHENTICATED,
    Means,
    Trouble,
    is_about_the_login,
    system_says,
    trouble_of,
)
from worker.mailbox.errors import (
    CommandRefused,
    ConnectionLost,
    FolderBusy,
    HandshakeFailed,
    NotConnected,
    Preauthenticated,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.folders import CannotCreate, NoJunkFolder
from worker.pipeline.settle import CannotMove

MINUTE = timedelta(minutes=1)
LISTED = "Run `nhsmail-worker check --connect` to list the folders."
IN_PROGRESS = AttemptInProgress("another process logs in")


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (HALTED, Trouble("halted", Means.NO_LOGIN, NO_LOGIN)),
        (COOLING, Trouble("cooling", Means.NO_LOGIN, NO_LOGIN_YET, asked=60.0)),
        (CredentialRefused("too short", ["short"]), Trouble("credentialrefused", Means.NO_LOGIN, NO_LOGIN)),
        (REFUSED, Trouble("login", Means.ASK_THE_GUARD)),
        (CredentialUnavailable("no file"), Trouble("no-credential", Means.NO_LOGIN, "no file")),
        (IN_PROGRESS, Trouble("attempt-in-progress", Means.NO_LOGIN, str(IN_PROGRESS))),
        (JournalUnavailable("full"), Trouble("journal", Means.STAND_BY)),
        (JournalDamaged("torn"), Trouble("journal", Means.STAND_BY)),
        (NoJunkFolder("set it"), Trouble("mailbox", Means.RECONNECT, "set it")),
        (NoJunkFolder("set it", ["Smith, J"]), Trouble("mailbox", Means.RECONNECT, f"set it {LISTED}")),
        (CannotCreate("no"), Trouble("mailbox", Means.RECONNECT, "no")),
        (FolderBusy("Results", "in use"), Trouble("unreachable", Means.RECONNECT)),
        (CannotMove("no MOVE"), Trouble("mailbox", Means.RECONNECT, "no MOVE")),
        (TlsRefused("expired"), Trouble("certificate", Means.RECONNECT)),
        (Throttled("busy", after=MINUTE), Trouble("throttled", Means.RECONNECT, asked=60.0)),
        (ServerUnavailable("down", after=MINUTE), Trouble("unreachable", Means.RECONNECT, asked=60.0)),
        (ServerUnavailable("down"), Trouble("unreachable", Means.RECONNECT)),
        (ConnectionLost("reset"), Trouble("unreachable", Means.RECONNECT)),
        (TokenExpired("expired"), Trouble("unreachable", Means.RECONNECT)),
        (NotConnected("no"), Trouble("not-connected", Means.RECONNECT)),
        (HandshakeFailed("no"), Trouble("tls", Means.RECONNECT)),
        (NoWayIn("set auth"), Trouble("no-way-in", Means.RECONNECT, "set auth")),
        (Preauthenticated("no"), Trouble("preauth", Means.RECONNECT, PREAUTHENTICATED)),
        (ProtocolFault("what"), Trouble("unreachable", Means.RECONNECT)),
        (CommandRefused("NO"), Trouble("unreachable", Means.RECONNECT)),
        (RuntimeError("a fault of ours"), Trouble("fault", Means.RECONNECT, is_ours=True)),
    ],
)
def test_each_error_is_one_trouble(error: Exception, trouble: Trouble) -> None:
    assert trouble_of(error, now=40.0) == trouble


def test_only_cooling_after_a_failed_attempt_is_about_the_login() -> None:
    unfailed = Cooling("wait", Standing(State.COOLING, 0, 8, 5, 100.0, None))
    assert [is_about_the_login(error) for error in (COOLING, unfailed, HALTED)] == [True, False, False]


def test_the_log_says_what_the_system_says_of_a_lost_connection() -> None:
    assert system_says(ServerUnavailable("no", fault="NAME_NOT_RESOLVED")) == {"errno": "the name can't be resolved"}
    assert system_says(HandshakeFailed("no", fault="NOT_TLS")) == {"errno": "this port doesn't speak TLS"}
    assert system_says(ConnectionLost("no", fault="ECONNRESET")) == {"errno": "connection reset by peer"}
    for error in (ConnectionLost("no"), TlsRefused("no"), RuntimeError("no")):
        assert system_says(error) == {}
