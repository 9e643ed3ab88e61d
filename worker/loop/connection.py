"""Gives the logged-in session: connects, logs in through the guard, and finds the folders."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from worker.login.credential import Password
from worker.login.guard import Guard
from worker.mailbox.errors import MailboxError
from worker.mailbox.folders import FolderInfo, Layout, find_junk, missing, require
from worker.mailbox.session import Session


class ChecksServer(Protocol):
    """Refuses a server that can't do what the settings ask for."""

    def check(self, session: Session) -> None:
        """Raises:
        CannotMove: the server lacks a command that is needed.
        """


class Connector:
    """Holds the one connection, and makes a new one when it is asked for and there is none."""

    def __init__(
        self,
        *,
        new_session: Callable[[], Session],
        guard: Guard,
        layout: Layout,
        junk_setting: str,
        targets: Sequence[str],
        settle: ChecksServer,
    ) -> None:
        """targets: folders that mail is moved to, created where they are missing."""
        self._new_session = new_session
        self._guard = guard
        self._layout = layout
        self._junk_setting = junk_setting
        self._targets = targets
        self._settle = settle
        self._session: Session | None = None

    def session(self) -> tuple[Session, bool]:
        """The session, and whether it is a new one.

        Raises:
            NoAttempt: the guard allows no login now.
            CredentialUnavailable, AttemptInProgress: there is nothing to log in with, or another process is at it.
            LoginFailed: the login was tried; the guard knows.
            MailboxError: the server can't be reached or used.
            FolderProblem, CannotMove: the mailbox isn't as the settings say.
            JournalUnavailable: no durable count, no login.
        """
        if self._session is not None and self._session.is_open:
            return self._session, False
        session = self._new_session()
        try:
            folders = log_in(session, self._guard)
            self._prepare(session, folders)
        except BaseException:
            session.close()
            raise
        self._session = session
        return session, True

    def current(self) -> Session | None:
        """The session, where there is one that no error has ended."""
        return self._session if self._session is not None and self._session.is_open else None

    def token_expired(self) -> None:
        """The server ended the session since its token had run out."""
        self._guard.token_expired()

    def close(self) -> None:
        """Log out and close, where there is a connection."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(MailboxError):
                session.close()

    def _prepare(self, session: Session, folders: Sequence[FolderInfo]) -> None:
        self._settle.check(session)
        self._layout.junk = find_junk(folders, self._junk_setting)
        require(folders, self._layout.watched)
        for name in missing(folders, self._targets):
            session.create(name)


class ReconnectWaits:
    """How long to wait after lost connections in a row: longer each time, until a connection has done its work."""

    def __init__(self, waits: Sequence[float]) -> None:
        """waits: seconds after the first loss, the second, …; the last repeats."""
        self._waits = waits
        self.losses = 0

    @property
    def are_used_up(self) -> bool:
        """Whether each wait was waited."""
        return self.losses >= len(self._waits)

    @property
    def longest(self) -> float:
        """The longest of the waits (s)."""
        return max(self._waits)

    def next(self, asked: float) -> float:
        """Count a loss; returns the seconds to wait after it, as many at least as were asked for."""
        wait = max(self._waits[min(self.losses, len(self._waits) - 1)], asked)
        self.losses += 1
        return wait

    def start_over(self) -> None:
        """A connection has done its work."""
        self.losses = 0


def log_in(session: Session, guard: Guard, *, keep_last: bool = False) -> list[FolderInfo]:
    """Connect, spend one attempt, and list the folders: the first command, which makes the login a success.

    keep_last: refuse to spend the last attempt, for commands beside the worker.
    """
    with guard.attempt(keep_last=keep_last) as attempt:
        session.connect()
        credential = attempt.credential()
        if isinstance(credential, Password):
            session.login(credential.user, credential.secret)
        else:
            session.login_token(credential.mechanism())
        attempt.logged_in()
        folders = session.folders()
        attempt.first_command_ok()
    return folders
