"""The IMAP commands on folders: LIST, CREATE, SELECT, STATUS and NOOP."""

from dataclasses import dataclass

from worker.mailbox.errors import CommandRefused
from worker.mailbox.folders import FolderInfo
from worker.mailbox.imap_client import text_of
from worker.mailbox.imap_connection import ImapConnection


@dataclass(frozen=True, slots=True)
class FolderState:
    """What SELECT or STATUS reports about a folder.

    If two states are equal, nothing came or went between them. The one exception: the server shows a message late,
    below the highest UID, while another leaves.
    """

    uidvalidity: int
    uidnext: int
    messages: int


class FolderCommands:
    """Runs folder commands on one connection and remembers which folder is selected."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection
        self._selected: str | None = None
        self.selected_state: FolderState | None = None

    @property
    def selected(self) -> str | None:
        """The selected folder; None if no folder is selected or the connection has ended."""
        return self._selected if self._connection.is_open else None

    def folders(self) -> list[FolderInfo]:
        """List all folders of the mailbox."""
        with self._connection.translated():
            listed = self._connection.client.list_folders()
            return [
                FolderInfo(str(name), frozenset(text_of(flag).lower() for flag in flags)) for flags, _, name in listed
            ]

    def create(self, folder: str) -> None:
        """Create a folder. It is no error if the folder exists by now, as somebody else may have created it."""
        try:
            with self._connection.translated():
                self._connection.client.create_folder(folder)
        except CommandRefused:
            if folder not in {info.name for info in self.folders()}:
                raise

    def select(self, folder: str) -> FolderState:
        """Select a folder, and discard what the server had still to report about the last one."""
        with self._connection.translated():
            self._selected = self.selected_state = None
            answer = self._connection.client.select_folder(folder)
            self._connection.take_news()
            self._selected = folder
            self.selected_state = _folder_state(answer)
            return self.selected_state

    def status(self, folder: str) -> FolderState:
        """Ask for the state of a folder without selecting it."""
        with self._connection.translated():
            answer = self._connection.client.folder_status(folder, ("MESSAGES", "UIDNEXT", "UIDVALIDITY"))
            return _folder_state(answer)

    def noop(self) -> bool:
        """Give the server a chance to report changes of the selected folder. Returns whether it reported any."""
        with self._connection.translated():
            self._connection.client.noop()
            return self._connection.take_news()


def _folder_state(answer: dict[bytes, object]) -> FolderState:
    messages = answer.get(b"MESSAGES", answer.get(b"EXISTS"))
    values = (answer.get(b"UIDVALIDITY"), answer.get(b"UIDNEXT"), messages)
    uidvalidity, uidnext, count = (value[0] if isinstance(value, list | tuple) else value for value in values)
    return FolderState(int(str(uidvalidity)), int(str(uidnext)), int(str(count)))
