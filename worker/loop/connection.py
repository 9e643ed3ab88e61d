"""Provides the logged-in session: connects, logs in through the guard, and finds the folders."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Protocol

from worker.login.credential import Password
from worker.login.guard import Guard
from worker.mailbox.errors import MailboxError
from worker.mailbox.folders import FolderInfo, Layout, find_junk, missing, require
from worker.mailbox.session import Session


class ChecksServer(Protocol):
    """Checks that the server has the commands that we need."""

    def check(self, session: Session) -> None:
        """Refuse a server that lacks one of them.

        Raises:
            CannotMove
        """


class Connector:
    """Holds the only connection, and makes a new one when it is asked for a session and has none."""

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
        """targets: folders that mail is moved to; missing ones are created."""
        self._new_session = new_session
        self._guard = guard
        self._layout = layout
        self._junk_setting = junk_setting
        self._targets = targets
        self._settle = settle
        self._session: Session | None = None

    def session(self) -> tuple[Session, bool]:
        """The session, and whether it is new.

        Raises:
            NoAttempt: the guard allows no login now.
            CredentialUnavailable, AttemptInProgress: there is no credential, or another process is logging in.
            LoginFailed: the login failed; the guard has recorded it.
            MailboxError: the server can't be reached or used.
            FolderProblem, CannotMove: the mailbox isn't as the settings say.
            JournalUnavailable: attempts can't be counted durably, so none is made.
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
        """The session, unless there is none or an error has ended it."""
        return self._session if self._session is not None and self._session.is_open else None

    def token_expired(self) -> None:
        """Tell the guard that the server ended the session because its token had expired."""
        self._guard.token_expired()

    def close(self) -> None:
        """Log out and close the connection, if there is one."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(MailboxError):
                session.close()

    def _prepare(self, session: Session, folders: Sequence[FolderInfo]) -> None:
        self._settle.check(session)
        self._layout.found_junk(find_junk(folders, self._junk_setting))
        require(folders, self._layout.watched)
        for name in missing(folders, self._targets):
            session.create(name)


class ReconnectWaits:
    """How long to wait before the next connection: longer after each loss, until a connection proves useful."""

    def __init__(self, waits: Sequence[float]) -> None:
        """waits: seconds after the first loss, the second, and so on; the last repeats."""
        self._waits = waits
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
        self.losses += 1
        return wait

    def start_over(self) -> None:
        """A connection proved useful: the next loss counts as the first."""
        self.losses = 0


def log_in(session: Session, guard: Guard, *, keep_last: bool = False) -> list[FolderInfo]:
    """Connect, log in at the cost of one attempt, and list the folders.

    A login counts as a success only when the first command after it, the listing, succeeds too.

    keep_last: refuse to spend the last attempt. For commands that run beside the worker.
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
