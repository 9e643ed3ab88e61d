"""Commands on folders: list, create, select, and what has changed in one."""

from dataclasses import dataclass

from worker.mailbox.errors import CommandRefused
from worker.mailbox.folders import FolderInfo
from worker.mailbox.imap_client import text_of
from worker.mailbox.imap_connection import ImapConnection


@dataclass(frozen=True, slots=True)
class FolderState:
    """What SELECT or STATUS says of a folder.

    Two equal states: nothing has come or gone in between, unless as many went as came late, below the highest UID.
    """

    uidvalidity: int
    uidnext: int
    messages: int


class FolderCommands:
    """Knows which folder is selected on the connection."""

    def __init__(self, connection: ImapConnection) -> None:
        self._connection = connection
        self._selected: str | None = None
        self.selected_state: FolderState | None = None

    @property
    def selected(self) -> str | None:
        """The selected folder; None where there is none, or no connection any more."""
        return self._selected if self._connection.is_open else None

    def folders(self) -> list[FolderInfo]:
        """All folders of the mailbox."""
        with self._connection.translated():
            listed = self._connection.client.list_folders()
            return [
                FolderInfo(str(name), frozenset(text_of(flag).lower() for flag in flags)) for flags, _, name in listed
            ]

    def create(self, folder: str) -> None:
        """Create a folder, also where somebody else has done so at the same moment."""
        try:
            with self._connection.translated():
                self._connection.client.create_folder(folder)
        except CommandRefused:
            if folder not in {info.name for info in self.folders()}:
                raise

    def select(self, folder: str) -> FolderState:
        """Open a folder for the commands that follow."""
        with self._connection.translated():
            self._selected = self.selected_state = None
            answer = self._connection.client.select_folder(folder)
            self._connection.take_news()
            self._selected = folder
            self.selected_state = _folder_state(answer)
            return self.selected_state

    def status(self, folder: str) -> FolderState:
        """What STATUS says of a folder."""
        with self._connection.translated():
            answer = self._connection.client.folder_status(folder, ("MESSAGES", "UIDNEXT", "UIDVALIDITY"))
            return _folder_state(answer)

    def noop(self) -> bool:
        """Whether anything came to or went from the selected folder since it was last asked."""
        with self._connection.translated():
            self._connection.client.noop()
            return self._connection.take_news()


def _folder_state(answer: dict[bytes, object]) -> FolderState:
    messages = answer.get(b"MESSAGES", answer.get(b"EXISTS"))
    values = (answer.get(b"UIDVALIDITY"), answer.get(b"UIDNEXT"), messages)
    uidvalidity, uidnext, count = (value[0] if isinstance(value, list | tuple) else value for value in values)
    return FolderState(int(str(uidvalidity)), int(str(uidnext)), int(str(count)))
