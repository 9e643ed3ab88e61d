"""What a server reports during IDLE, read line by line."""

from imapclient import IMAPClient


def hear(client: IMAPClient, report: bytes) -> None:
    """Wait for this line from the server, at most as long as the client's read timeout.

    IMAPClient's own `idle_check` reads without blocking, and loses the first half of a line that arrives in two parts.
    """
    while client._imap._get_line() != report:
        pass
