"""IDLE (RFC 2177): the server reports changes of the selected folder without being asked."""

from worker.mailbox.imap_connection import ImapConnection


class Idling:
    """Puts one connection into IDLE and takes it out again."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection
        self._tag: bytes | None = None
        self._news = False

    @property
    def active(self) -> bool:
        """Whether the connection is in IDLE."""
        return self._tag is not None and self._connection.is_open

    def begin(self) -> bool:
        """Begin IDLE. Returns whether the server has already reported, or sent, something."""
        with self._connection.translated():
            wire = self._connection.client.wire
            self._tag = wire.begin_idle()
            self._news = self._connection.take_news()
            return self._news or wire.buffered()

    def end(self) -> bool:
        """End IDLE. Returns whether the server reported a change before or during it."""
        active, tag = self.active, self._tag
        self._tag = None
        if tag is None or not active:
            return False
        with self._connection.translated():
            self._connection.client.wire.end_idle(tag)
            return self._connection.take_news() or self._news
