"""The IMAP session: one connection, logged in, owned by one thread.

It says what the server shows and does what it is told; it knows no message's fate. Everything that IMAPClient raises
leaves this room as one of `worker.mailbox.errors`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from worker.mailbox.folder_commands import FolderCommands, FolderState
from worker.mailbox.folders import FolderInfo
from worker.mailbox.idling import Idling
from worker.mailbox.imap_connection import Endpoint, ImapConnection
from worker.mailbox.message_mover import MessageMover, Moved
from worker.mailbox.message_reader import HEADS_AT_ONCE, Body, Head, MessageReader
from worker.mailbox.sasl import Sasl

# what the methods of a session take and give
__all__ = ["HEADS_AT_ONCE", "Body", "Endpoint", "FolderState", "Head", "Moved", "Session"]


class Session:
    """One connection to the mailbox. Use: connect, log in, work, close. Not thread-safe.

    Every method may raise `ConnectionLost` and the other errors of `worker.mailbox.errors`; after `ConnectionLost` the
    session is of no more use.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._connection = ImapConnection(endpoint)
        self._folders = FolderCommands(self._connection)
        self._reader = MessageReader(self._connection)
        self._mover = MessageMover(self._connection)
        self._idling = Idling(self._connection)

    def connect(self) -> None:
        """Open the connection and verify the server. Sends no credential.

        Raises:
            TlsRefused, ConnectionLost, ServerUnavailable, ProtocolFault
        """
        self._connection.connect()

    def login(self, address: str, password: str) -> None:
        """Send the password, once, by the one mechanism chosen beforehand, never a second one after a refusal.

        Raises:
            LoginFailed: with the class of the failure and whether the server may have counted it.
        """
        self._connection.login(address, password)

    def login_token(self, mechanism: Sasl) -> None:
        """Send an OAuth token by XOAUTH2.

        Raises:
            LoginFailed: with what the server's challenge said.
        """
        self._connection.login_token(mechanism)

    def close(self) -> None:
        """Log out where that is still possible, and close. Never raises."""
        self._connection.close(log_out=not self._idling.active)

    def abort(self) -> None:
        """End the connection from another thread: whatever waits for the server there raises `ConnectionLost`."""
        self._connection.abort()

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that no error has ended."""
        return self._connection.is_open

    def has(self, capability: str) -> bool:
        """Whether the server says that it has this capability, now that we are logged in."""
        return self._connection.has(capability)

    @property
    def selected(self) -> str | None:
        """The selected folder; None where there is none, or no connection any more."""
        return self._folders.selected

    @property
    def selected_state(self) -> FolderState | None:
        """What SELECT said of the selected folder."""
        return self._folders.selected_state

    def folders(self) -> list[FolderInfo]:
        """All folders of the mailbox."""
        return self._folders.folders()

    def create(self, folder: str) -> None:
        """Create a folder, also where somebody else has done so at the same moment."""
        self._folders.create(folder)

    def select(self, folder: str) -> FolderState:
        """Open a folder for the commands that follow."""
        return self._folders.select(folder)

    def status(self, folder: str) -> FolderState:
        """What STATUS says of a folder that isn't selected. One round trip."""
        return self._folders.status(folder)

    def noop(self) -> bool:
        """Whether anything came to or went from the selected folder since it was last asked. One round trip."""
        return self._folders.noop()

    def search(self, *, uidnext: int, since: date | None = None) -> set[int]:
        """The UIDs in the selected folder; with `since`, of mail received on that day or later (server's time zone)."""
        return self._reader.search(uidnext=uidnext, since=since)

    def fetch_uids(self, *, since: date | None = None) -> set[int]:
        """The UIDs in the selected folder as FETCH shows them: slower than SEARCH, and it shows what SEARCH misses."""
        return self._reader.fetch_uids(since=since)

    def present(self, wanted: Iterable[int]) -> set[int]:
        """Which of these UIDs are in the selected folder now: what SEARCH shows, or FETCH, as each may miss some."""
        return self._reader.present(wanted)

    def heads(self, wanted: Iterable[int]) -> list[Head]:
        """Size, date, flags and header of messages; those that the server doesn't show are left out."""
        return self._reader.heads(wanted)

    def bodies(self, wanted: Sequence[int], *, cap: int, expected: int) -> Iterator[Body]:
        """Messages in one command, marked as nothing (PEEK); those that the server doesn't show are left out.

        cap: bytes of one message that are asked for at most. expected: bytes that these messages should come to, by
        the server's estimate; an answer far beyond it ends the connection instead of the process's memory.
        """
        return self._reader.bodies(wanted, cap=cap, expected=expected)

    def move(self, wanted: Sequence[int], target: str) -> Moved:
        """MOVE messages of the selected folder (RFC 6851). UIDs that aren't there any more are passed over."""
        return self._mover.move(wanted, target)

    def copy(self, wanted: Sequence[int], target: str) -> Moved:
        """COPY messages of the selected folder."""
        return self._mover.copy(wanted, target)

    def delete(self, wanted: Sequence[int]) -> None:
        """Remove messages of the selected folder, these alone: `\\Deleted` and UID EXPUNGE (UIDPLUS, RFC 4315)."""
        self._mover.delete(wanted)

    def idle(self) -> bool:
        """Begin IDLE (RFC 2177). True: there is news already, so don't wait."""
        return self._idling.begin()

    def idle_done(self) -> bool:
        """End IDLE. True: something came or went meanwhile. One round trip."""
        return self._idling.end()

    @property
    def idling(self) -> bool:
        """Whether the server has been asked to tell of news by itself."""
        return self._idling.active

    def fileno(self) -> int:
        """The socket, for a thread that waits until it is readable and doesn't read it."""
        return self._connection.fileno()
