"""The errors of this room. Of what the server said they hold only what `safe_text` lets through."""

from datetime import timedelta

from worker.mailbox.login_failures import LoginFailure


class MailboxError(Exception):
    """Base of every error that `worker.mailbox` raises on purpose. The mail stays where it is."""


class LoginFailed(MailboxError):
    """The login, or the first command after it, failed. The guard decides what comes next."""

    def __init__(self, failure: LoginFailure) -> None:
        super().__init__(f"login failed: {failure.cls}" + (f" ({failure.said})" if failure.said else ""))
        self.failure = failure


class ConnectionLost(MailboxError):
    """The connection ended, so reconnect. The command in flight may or may not have taken effect."""


class Throttled(MailboxError):
    """The server asked for a pause.

    after: how long from now, as the server said.
    """

    def __init__(self, message: str, *, after: timedelta) -> None:
        super().__init__(message)
        self.after = after


class ServerUnavailable(MailboxError):
    """The server can't be reached, or says that it can't serve us now."""

    def __init__(self, message: str, *, after: timedelta | None = None) -> None:
        super().__init__(message)
        self.after = after


class TlsRefused(MailboxError):
    """The TLS handshake failed or the certificate isn't trusted. No credential was sent."""


class TokenExpired(MailboxError):
    """The server ended the session because its OAuth token expired. Refresh the token and reconnect."""


class NotConnected(MailboxError):
    """`User is authenticated but not connected`: the server accepted the login but doesn't open the mailbox."""


class ProtocolFault(MailboxError):
    """The server didn't understand our command, or we didn't understand its answer. Never retry this in a loop.

    by_server: true if the server rejected the command, false if we couldn't read its answer.
    """

    def __init__(self, message: str, *, by_server: bool = False) -> None:
        super().__init__(message)
        self.by_server = by_server


class CommandRefused(MailboxError):
    """The server answered NO to a command. The connection is still usable."""


class JustExpunged(CommandRefused):
    """Somebody else has just expunged some of the messages that the command named. It can be repeated for the rest."""
