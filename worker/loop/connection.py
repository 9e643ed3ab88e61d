"""Provides the logged-in session: connects, logs in through the guard, and finds the folders."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from worker.login.credential import Password
from worker.login.guard import Guard
from worker.mailbox.errors import MailboxError
from worker.mailbox.folder_finder import FolderFinder
from worker.mailbox.folders import FolderInfo
from worker.mailbox.session import Session


class ChecksServer(Protocol):
    """Checks that the server has the commands that we need."""

    def check(self, session: Session) -> None:
        """Refuse a server that lacks one of them.

        Raises:
            CannotMove
        """


class Connector:
    """Holds the only connection, and makes a new one when it is asked for a session and has none.

    If a connection may have ended at something that had been asked for ahead, the next one waits for each answer until
    a poll has gone through: only then does it show which message the server can't send.
    """

    def __init__(
        self,
        *,
        new_session: Callable[[], Session],
        guard: Guard,
        finder: FolderFinder,
        settle: ChecksServer,
    ) -> None:
        self._new_session = new_session
        self._guard = guard
        self._finder = finder
        self._settle = settle
        self._session: Session | None = None
        self._is_careful = False
        self.logins = 0
        """How many logins have succeeded."""

    def session(self) -> tuple[Session, bool]:
        """The session, and whether it is new.

        Raises:
            NoAttempt: the guard allows no login now.
            CredentialUnavailable, AttemptInProgress: there is no credential, or another process is logging in.
            LoginFailed: the login failed; the guard has recorded it.
            NoWayIn: the server offers no way to log in with what we have; nothing was sent.
            MailboxError: the server can't be reached or used.
            FolderProblem, CannotMove: the mailbox isn't as the settings say.
            JournalUnavailable: attempts can't be counted durably, so none is made.
        """
        if self._session is not None and self._session.is_open:
            self._session.be_careful(careful=False)
            return self._session, False
        session = self._new_session()
        session.be_careful(careful=self._is_careful)
        try:
            folders = log_in(session, self._guard)
            self.logins += 1
            self._prepare(session, folders)
        except BaseException:
            session.close()
            raise
        self._session = session
        return session, True

    def current(self) -> Session | None:
        """The session, unless there is none or an error has ended it."""
        return self._session if self._session is not None and self._session.is_open else None

    def token_expired(self) -> None:
        """Tell the guard that the server ended the session because its token had expired."""
        self._guard.token_expired()

    def close(self) -> None:
        """Log out and close the connection, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            self._is_careful = session.ended_ahead
            with suppress(MailboxError):
                session.close()

    def _prepare(self, session: Session, folders: Sequence[FolderInfo]) -> None:
        self._settle.check(session)
        self._finder.create(session, self._finder.find(session, folders).absent)


LASTING = 300.0
"""Seconds after which a connection has proved useful. One that ends earlier is short-lived."""
MANY_LOGINS = 20
"""After so many logins without one that lasted, waits are at least `LEAST_OF_MANY`, whatever the settings say."""
LEAST_OF_MANY = 60.0
"""Seconds. Then a server that ends each connection gets no more than 60 logins an hour."""


class ReconnectWaits:
    """How long to wait before the next connection: longer after each loss, until a connection proves useful."""

    def __init__(self, waits: Sequence[float]) -> None:
        """waits: seconds after the first loss, the second, and so on; the last repeats."""
        self._waits = waits
        self._since: float | None = None
        self._logins = 0
        self._logins_before = 0
        self.losses = 0

    @property
    def are_used_up(self) -> bool:
        """Whether there were as many losses in a row as there are waits."""
        return self.losses >= len(self._waits)

    @property
    def longest(self) -> float:
        """The longest wait (s)."""
        return max(self._waits)

    def next(self, asked: float) -> float:
        """Count a loss; returns the seconds to wait after it, never fewer than the server asked for."""
        wait = max(self._waits[min(self.losses, len(self._waits) - 1)], asked)
        if self._logins - self._logins_before >= MANY_LOGINS:
            wait = max(wait, LEAST_OF_MANY)
        self.losses += 1
        return wait

    def connected(self, now: float) -> None:
        """There is a new connection. now: monotonic s."""
        self._since = now

    def lost(self, now: float, *, logins: int) -> None:
        """A connection was lost or refused. If it had lasted, this loss counts as the first.

        It isn't enough that a connection did its work: a server that ends each of them soon after that would get one
        login after another.

        now: monotonic s. logins: how many there have been since the process started.
        """
        self._logins = logins
        if self._since is not None and now - self._since >= LASTING:
            self.start_over()
        self._since = None

    def start_over(self) -> None:
        """A connection proved useful: the next loss counts as the first."""
        self.losses = 0
        self._logins_before = self._logins


def log_in(session: Session, guard: Guard, *, keep_last: bool = False) -> list[FolderInfo]:
    """Connect, log in at the cost of one attempt, and list the folders.

    A login counts as a success only when the first command after it, the listing, succeeds too.

    keep_last: refuse to spend the last attempt. For commands that run beside the worker.
    """
    with guard.attempt(keep_last=keep_last) as attempt:
        session.connect()
        attempt.compare(session.login_offer())
        credential = attempt.credential()
        if isinstance(credential, Password):
            session.login(credential.user, credential.secret)
        else:
            session.login_token(credential.mechanism())
        attempt.logged_in()
        folders = session.folders()
        attempt.first_command_ok()
    return folders
