"""What can go wrong between us and the mail server, in our own words. No server text beyond `safe_text`."""

from datetime import timedelta

from worker.mailbox.login_failures import LoginFailure


class MailboxError(Exception):
    """Base of everything that the mailbox room raises on purpose. The mail stays where it is."""


class LoginFailed(MailboxError):
    """A login didn't end in the server's OK to it and to the first command. The guard decides what comes next."""

    def __init__(self, failure: LoginFailure) -> None:
        super().__init__(f"login failed: {failure.cls}" + (f" ({failure.said})" if failure.said else ""))
        self.failure = failure


class ConnectionLost(MailboxError):
    """The connection ended: reconnect. Nothing is known about the command in flight."""


class Throttled(MailboxError):
    """The server asked for a pause.

    after: how long from now, as the server said.
    """

    def __init__(self, message: str, *, after: timedelta) -> None:
        super().__init__(message)
        self.after = after


class ServerUnavailable(MailboxError):
    """The server can't be reached, or says that it can't answer now."""

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class TlsRefused(MailboxError):
    """No trusted, encrypted connection came about; nothing was sent."""


class TokenExpired(MailboxError):
    """The server closed the session since its OAuth token ran out: refresh it and reconnect."""


class NotConnected(MailboxError):
    """`User is authenticated but not connected`: the login was answered, but the mailbox isn't there for us."""


class ProtocolFault(MailboxError):
    """The server didn't understand us, or we not it. Not to be repeated in a loop.

    by_server: the server said so; otherwise we couldn't read its answer.
    """

    def __init__(self, message: str, *, by_server: bool = False) -> None:
        super().__init__(message)
        self.by_server = by_server


class CommandRefused(MailboxError):
    """The server said NO to a command; the connection is well."""


class JustExpunged(CommandRefused):
    """Somebody has expunged some of the messages that the command named; for the others it can be repeated."""
