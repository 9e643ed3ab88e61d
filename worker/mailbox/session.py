"""The IMAP session that the rest of the worker uses: one connection, owned by one thread.

It reads the mailbox and changes it on request, and decides nothing about any message. Whatever IMAPClient
raises leaves this room as one of `worker.mailbox.errors`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from worker.mailbox.arrival_days import ArrivalDays
from worker.mailbox.folder_commands import FolderCommands, FolderState, NamesSettings, NoSettings
from worker.mailbox.folders import FolderInfo
from worker.mailbox.idling import Idling
from worker.mailbox.imap_connection import Endpoint, ImapConnection
from worker.mailbox.in_flight import Sent
from worker.mailbox.login_offer import LoginOffer
from worker.mailbox.message_mover import MessageMover, Moved
from worker.mailbox.message_reader import FIRST_WINDOW, HEADS_AT_ONCE, Body, Head, MessageReader
from worker.mailbox.message_searcher import Arrived, MessageSearcher, Terms
from worker.mailbox.quota import SizeCommands, Storage
from worker.mailbox.sasl import Sasl

# the session, and what its methods take and return
__all__ = [
    "HEADS_AT_ONCE",
    "ArrivalDays",
    "Arrived",
    "Body",
    "Endpoint",
    "FolderState",
    "Head",
    "LoginOffer",
    "Moved",
    "Sent",
    "Session",
    "Storage",
    "Terms",
]


class Session:
    """One connection to the mailbox: connect, log in, work, close, once each. Not thread-safe, except for `abort`.

    Every method may raise the errors of `worker.mailbox.errors`. After any of them but `CommandRefused` and
    `FolderBusy` the connection has ended, and the session is of no more use. The methods on messages, and IDLE, work on
    the selected folder.
    """

    def __init__(self, endpoint: Endpoint, named_by: NamesSettings | None = None) -> None:
        """named_by: knows which setting names a folder, to say so where the server refuses it."""
        self._connection = ImapConnection(endpoint)
        self._folders = FolderCommands(self._connection, named_by or NoSettings())
        self._reader = MessageReader(self._connection)
        self._searcher = MessageSearcher(self._connection)
        self._mover = MessageMover(self._connection)
        self._idling = Idling(self._connection)
        self._sizes = SizeCommands(self._connection)
        self._pipelines = True
        self._is_careful = False

    def connect(self) -> None:
        """Open the connection and verify the server's certificate. Sends no credential.

        Raises:
            TlsRefused, HandshakeFailed, ConnectionLost, ServerUnavailable, Preauthenticated, ProtocolFault
        """
        self._connection.connect()

    def login_offer(self) -> LoginOffer:
        """The ways to log in that the server announces. Ask after `connect` and before a login."""
        return self._connection.login_offer()

    def login(self, address: str, password: str) -> None:
        """Log in with a password. It is sent once: no other mechanism is tried after a refusal.

        Raises:
            LoginFailed: says why, and whether the server may have counted the attempt.
        """
        self._connection.login(address, password)

    def login_token(self, mechanism: Sasl) -> None:
        """Log in with an OAuth token, by XOAUTH2.

        Raises:
            LoginFailed: says why.
        """
        self._connection.login_token(mechanism)

    def wait_for_each_answer(self) -> None:
        """Send each command only after the last one was answered, on this connection."""
        self._pipelines = False

    def be_careful(self, *, careful: bool) -> None:
        """Whether to wait for each answer for now: so it shows at which command the connection ends."""
        self._is_careful = careful

    @property
    def _sends_ahead(self) -> bool:
        return self._pipelines and not self._is_careful

    @property
    def ended_ahead(self) -> bool:
        """Whether the connection ended, maybe at something that was asked for ahead and nobody had begun to read."""
        return self.ended_at_a_command and self._reader.has_asked

    @property
    def ended_at_a_command(self) -> bool:
        """Whether an error has ended the connection that the messages which a command names may have caused."""
        return not self.is_open and self._connection.ended_at_a_command

    def close(self) -> None:
        """Log out if that is still possible, and close. Never raises."""
        self._connection.close(log_out=not self._idling.active)

    def abort(self) -> None:
        """End the connection from another thread. A method that waits for the server then raises `ConnectionLost`."""
        self._connection.abort()

    @property
    def is_open(self) -> bool:
        """Whether the connection was opened and neither closed nor ended by an error."""
        return self._connection.is_open

    def has(self, capability: str) -> bool:
        """Whether the server announces this capability. Ask after the login, which may change the answer."""
        return self._connection.has(capability)

    @property
    def selected(self) -> str | None:
        """The selected folder; None if no folder is selected or the connection has ended."""
        return self._folders.selected

    @property
    def selected_state(self) -> FolderState | None:
        """The state of the selected folder when it was selected."""
        return self._folders.selected_state

    @property
    def read_only(self) -> bool:
        """Whether the server lets us only read the selected folder, so that nothing can be moved out of it."""
        return self._folders.read_only

    def folders(self) -> list[FolderInfo]:
        """List all folders of the mailbox."""
        return self._folders.folders()

    def junk_by_use(self) -> list[str]:
        """The folders that the server marks as junk only when it is asked for such marks (RFC 6154)."""
        return self._folders.junk_by_use()

    def namespaces(self) -> list[tuple[str, str]]:
        """Prefix and delimiter of each personal namespace (RFC 2342). Empty if the server doesn't say."""
        return self._folders.namespaces()

    def create(self, folder: str) -> str:
        """Create a folder. It is no error if it exists by now. Returns its name as the server spells it."""
        return self._folders.create(folder)

    def create_all(self, folders: Sequence[str]) -> Iterator[str]:
        """Create folders, in one round trip. Yields their names in turn, and raises where one can't be had."""
        return self._folders.create_all(folders) if self._sends_ahead else map(self._folders.create, folders)

    def select(self, folder: str) -> FolderState:
        """Select a folder for the commands that follow. What was asked for ahead is dropped."""
        self._reader.forget()
        return self._folders.select(folder)

    def select_and_search(self, folder: str) -> tuple[FolderState, set[int]]:
        """Select a folder and list its UIDs, as `select` and `search` do, in one round trip."""
        self._reader.forget()
        if self._sends_ahead:
            state, found = self._folders.select_and_search(folder, FIRST_WINDOW)
        else:
            state, found = self._folders.select(folder), None
        if not state.messages:
            return state, set()
        if found is None:
            return state, self.search(uidnext=state.uidnext)
        return state, found | self._reader.search_beyond_first(uidnext=state.uidnext, together=self._sends_ahead)

    def days(self, folders: Sequence[str], *, states_of: Sequence[str] = ()) -> dict[str, ArrivalDays]:
        """How many messages of each folder arrived on which day, in one round trip. Reads no header.

        states_of: folders whose states are asked for in the same round trip; the next `status` tells them.

        Afterwards no folder counts as selected.
        """
        self._reader.forget()
        return self._folders.days(folders, states_of=states_of, together=self._sends_ahead)

    def glance(self, folders: Sequence[str], *, noop: bool) -> tuple[bool, dict[str, FolderState]]:
        """What `noop` returns, if it is wanted, and the states of folders that aren't selected. One round trip."""
        if self._sends_ahead:
            return self._folders.glance(folders, noop=noop)
        news = noop and self._folders.noop()
        return news, {folder: self._folders.status(folder) for folder in folders}

    def status(self, folder: str) -> FolderState:
        """The state of a folder that isn't selected: now, or at the last `days` if that asked for it. One round trip at
        most.
        """
        return self._folders.status(folder)

    def examine(self, folder: str) -> FolderState:
        """Open a folder to read it: for `search` and `message_sizes`. Afterwards no folder counts as selected."""
        self._reader.forget()
        return self._folders.examine(folder)

    def noop(self) -> bool:
        """Whether mail came to or left the selected folder since the last time we asked. One round trip."""
        return self._folders.noop()

    def search(self, *, uidnext: int, since: date | None = None, lowest: int = 1) -> set[int]:
        """All UIDs from the lowest on, by SEARCH; with `since`, those of mail received on that day or later, in the
        server's time zone.
        """
        return self._reader.search(uidnext=uidnext, since=since, lowest=lowest, together=self._sends_ahead)

    def search_for(self, terms: Terms) -> set[int]:
        """The UIDs that one SEARCH names for these terms, which may be fewer than there are.

        Raises:
            CommandRefused: the server doesn't take this SEARCH.
        """
        return self._searcher.search(terms)

    def newest(self, count: int, messages: int) -> Iterator[Arrived]:
        """The newest messages of the folder, newest first, without SEARCH. messages: how many the folder has.

        Read them all before the next command: they are asked for by their numbers, which may change then.
        """
        return self._searcher.newest(count, messages)

    def fetch_uids(self, *, since: date | None = None) -> set[int]:
        """All UIDs, by FETCH, which is slower than SEARCH but shows messages that SEARCH misses."""
        return self._reader.fetch_uids(since=since)

    def present(self, wanted: Iterable[int]) -> set[int]:
        """Which of these UIDs exist now: those that SEARCH or FETCH shows, since either may miss some."""
        return self._reader.present(wanted)

    def heads(self, wanted: Iterable[int]) -> Iterator[Head]:
        """Fetch size, date, flags and header, as they are asked for; the folder must stay selected meanwhile.

        Messages whose header the server doesn't show are left out. However long the headers are, only a few MB of them
        are held here at a time: keep what you need of each, not the header.
        """
        return self._reader.heads(wanted)

    def ask_heads(self, wanted: Sequence[int]) -> None:
        """Ask for these headers now, and read them when `heads` asks for the same: meanwhile they are on their way.

        wanted: at most `HEADS_AT_ONCE`. Does nothing on a connection that waits for each answer.
        """
        if self._sends_ahead:
            self._reader.ask_heads(wanted)

    def ask_bodies(self, wanted: Sequence[int], *, cap: int, expected: int) -> None:
        """Ask for these messages now, and read them when `bodies` asks for the same, as `ask_heads` does."""
        if self._sends_ahead:
            self._reader.ask_bodies(wanted, cap=cap, expected=expected)

    def discard_bodies(self) -> None:
        """Throw away what `ask_bodies` asked for and nobody has begun to read.

        Waits until all of it has come: afterwards none of it is in memory or on its way.
        """
        self._reader.discard_bodies()

    def bodies(self, wanted: Sequence[int], *, cap: int, expected: int) -> Iterator[Body]:
        """Fetch messages in one command, each as it comes, without marking them as read.

        Those that the server doesn't show are left out. They come in any order.

        cap: the most bytes to fetch of each message. expected: the size of all these messages by the server's estimate;
        if the answer is far larger, the connection ends before the process runs out of memory.
        """
        return self._reader.bodies(wanted, cap=cap, expected=expected)

    def move(self, wanted: Sequence[int], target: str) -> Moved:
        """Move messages to another folder with MOVE (RFC 6851). UIDs that no longer exist are ignored.

        Raises:
            MailboxError: as `begin_move` says.
        """
        return self._mover.move(wanted, target)

    def begin_move(self, wanted: Sequence[int], target: str) -> Sent:
        """Send MOVE, for `end_move` to read the answer. Waits for it only on a connection that waits for each.

        Raises:
            MailboxError: its `earlier` says whether the connection ended before the server came to this command.
        """
        sent = self._mover.begin_move(wanted, target)
        if not self._sends_ahead:
            self._mover.wait_for(sent)
        return sent

    def has_moved(self, sent: Sent) -> bool:
        """Whether `end_move` has nothing to wait for."""
        return self._mover.is_answered(sent)

    def end_move(self, sent: Sent) -> Moved:
        """Read the answer to this MOVE. What `move` says holds here as well.

        Raises:
            CommandRefused: nothing, or not everything, was moved.
        """
        return self._mover.end_move(sent)

    def copy(self, wanted: Sequence[int], target: str) -> Moved:
        """Copy messages to another folder."""
        return self._mover.copy(wanted, target)

    def delete(self, wanted: Sequence[int]) -> None:
        """Remove exactly these messages, with `\\Deleted` and UID EXPUNGE (UIDPLUS, RFC 4315)."""
        self._mover.delete(wanted)

    def storage(self) -> Storage | None:
        """How full the mailbox is by its quota (RFC 9208). None: the server, which has QUOTA, tells nothing usable."""
        return self._sizes.storage()

    def folder_size(self, folder: str) -> int | None:
        """The bytes in a folder, from a server that has STATUS=SIZE (RFC 8438). None: it doesn't say."""
        return self._sizes.folder_size(folder)

    def message_sizes(self, wanted: Sequence[int]) -> dict[int, int]:
        """The bytes of messages by their UIDs, by the server's estimate, without those of which it doesn't say."""
        return self._sizes.message_sizes(wanted)

    def idle(self) -> bool:
        """Begin IDLE (RFC 2177). Returns whether there is news already, so that waiting would be wrong."""
        return self._idling.begin()

    def idle_done(self) -> bool:
        """End IDLE. Returns whether mail came or left since it began. One round trip."""
        return self._idling.end()

    @property
    def idling(self) -> bool:
        """Whether the connection is in IDLE."""
        return self._idling.active

    def fileno(self) -> int:
        """The socket's descriptor, for a thread that waits until there is something to read but doesn't read it."""
        return self._connection.fileno()
