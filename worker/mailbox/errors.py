"""The errors of this room. Of what the server said they hold only what `safe_text` lets through."""

from datetime import timedelta

from worker.mailbox.folder_refusals import Refusal
from worker.mailbox.login_failures import LoginFailure


class MailboxError(Exception):
    """Base of every error that `worker.mailbox` raises on purpose. The mail stays where it is.

    fault: what the operating system, the name service or TLS says, as a name such as ECONNREFUSED; None: nothing.
    earlier: whether the connection ended before the server came to the command whose answer was to be read.
    """

    def __init__(self, message: str = "", *, fault: str | None = None) -> None:
        super().__init__(message)
        self.fault = fault
        self.earlier = False

    def came_earlier(self) -> None:
        """It came before the server came to the command whose answer was to be read."""
        self.earlier = True


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

    def __init__(self, message: str, *, after: timedelta | None = None, fault: str | None = None) -> None:
        super().__init__(message, fault=fault)
        self.after = after


class ProxyFailed(ServerUnavailable):
    """The proxy didn't make the connection, so the mail server knows nothing of it. No credential was sent.

    who: whom to ask.
    """

    def __init__(self, message: str, *, who: str) -> None:
        super().__init__(message)
        self.who = who


class TlsRefused(MailboxError):
    """The server's certificate isn't trusted. No credential was sent."""


class HandshakeFailed(MailboxError):
    """The TLS handshake failed, and not because of the certificate. No credential was sent."""


class Preauthenticated(MailboxError):
    """The server greets with PREAUTH: it has logged this connection in, without a word of who we are.

    Nothing says whose mailbox that is, so it isn't used. No credential was sent.
    """


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
    """The server answered NO to a command. The connection is still usable.

    refusal: what that means, if the command was about a folder.
    """

    def __init__(self, message: str, *, refusal: Refusal = Refusal.LASTING) -> None:
        super().__init__(message)
        self.refusal = refusal


class FolderRefused(CommandRefused):
    """The server refuses to select a folder, or to show its state. The text names the folder."""

    def __init__(self, folder: str, setting: str | None = None) -> None:
        """setting: the one that names the folder; None: none does any more."""
        correct = "" if setting is None else f"; or correct {setting}"
        super().__init__(
            f"The server refuses to open the folder '{folder}': check whether it still exists, and who may read "
            f"it{correct}."
        )


class FolderBusy(ServerUnavailable):
    """The server can't open or create a folder now; what it says will pass. The connection is still usable."""

    def __init__(self, folder: str, said: str) -> None:
        super().__init__(f"the folder '{folder}' isn't available now; {said}")


class JustExpunged(CommandRefused):
    """Somebody else has just expunged some of the messages that the command named. It can be repeated for the rest."""
