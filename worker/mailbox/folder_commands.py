"""The IMAP commands on folders: LIST, NAMESPACE, CREATE, SELECT, STATUS and NOOP."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from worker.mailbox.errors import CommandRefused, FolderBusy, FolderRefused, ProtocolFault
from worker.mailbox.folder_names import same
from worker.mailbox.folder_refusals import Refusal
from worker.mailbox.folders import FolderInfo
from worker.mailbox.imap_client import text_of
from worker.mailbox.imap_connection import ImapConnection

STATUS_ITEMS = ("MESSAGES", "UIDNEXT", "UIDVALIDITY")
BRACKETS = 3
"""How often a folder is opened between two answers to STATUS, until nothing came between them."""


@dataclass(frozen=True, slots=True)
class FolderState:
    """What SELECT or STATUS reports about a folder.

    If two states are equal, nothing came or went between them. The one exception: the server shows a message late,
    below the highest UID, while another leaves.
    """

    uidvalidity: int
    uidnext: int
    messages: int


class NamesSettings(Protocol):
    """Knows which setting names which folder."""

    def setting_of(self, folder: str) -> str | None:
        """The setting, such as `[settle] failed`; None: no setting names this folder."""


class NoSettings:
    """For a session that nobody configured."""

    def setting_of(self, folder: str) -> None:
        """There are no settings."""


class FolderCommands:
    """Runs folder commands on one connection and remembers which folder is selected."""

    def __init__(self, connection: ImapConnection, named_by: NamesSettings) -> None:
        self._connection = connection
        self._named_by = named_by
        self._selected: str | None = None
        self._asks_status = False
        """Whether SELECT doesn't say enough here, so that STATUS is asked as well."""
        self.selected_state: FolderState | None = None
        self.read_only = False

    @property
    def selected(self) -> str | None:
        """The selected folder; None if no folder is selected or the connection has ended."""
        return self._selected if self._connection.is_open else None

    def folders(self) -> list[FolderInfo]:
        """List all folders of the mailbox."""
        with self._connection.translated():
            listed = self._connection.client.list_folders()
            return [
                FolderInfo(str(name), _flags(flags), None if delimiter is None else text_of(delimiter))
                for flags, delimiter, name in listed
            ]

    def junk_by_use(self) -> list[str]:
        """The folders that the server marks as junk when it is asked for such marks. Empty if it can't be asked."""
        if not (self._connection.has("SPECIAL-USE") and self._connection.has("LIST-EXTENDED")):
            return []
        try:
            with self._connection.translated():
                listed = self._connection.client.folders_by_use()
                return [name for flags, name in listed if "\\junk" in _flags(flags)]
        except CommandRefused:
            return []

    def namespaces(self) -> list[tuple[str, str]]:
        """Prefix and delimiter of each personal namespace (RFC 2342). Empty if the server doesn't say."""
        if not self._connection.has("NAMESPACE"):
            return []
        try:
            with self._connection.translated():
                return self._connection.client.personal_namespaces()
        except CommandRefused:
            return []

    def create(self, folder: str) -> str:
        """Create a folder. Returns its name as the server spells it.

        It is no error if the folder exists by now, as somebody else may have created it.

        Raises:
            FolderBusy: not now.
            CommandRefused: not under this name.
        """
        try:
            with self._connection.translated():
                self._connection.client.create_folder(folder)
        except CommandRefused as refused:
            if refused.refusal is Refusal.PASSING:
                raise FolderBusy(folder, str(refused)) from refused
            exists = refused.refusal is Refusal.EXISTS
            listed = [info.name for info in self.folders()]
            found = next((name for name in listed if same(name, folder)), None)
            if found is None and exists:
                found = next((name for name in listed if same(name, folder, caseless=True)), folder)
            if found is None:
                raise
            return found
        return folder

    def select(self, folder: str) -> FolderState:
        """Select a folder, and discard what the server had still to report about the last one.

        If SELECT says no UIDNEXT or UIDVALIDITY, which RFC 3501 allows, they are asked for by STATUS, before SELECT and
        after it: if both agree, nothing came in between. Where mail keeps coming, the last answer counts, as what the
        server shows of the folder from then on is no older.
        """
        if not self._asks_status:
            answer = self._open(folder)
            if answer.keys() >= {b"UIDNEXT", b"UIDVALIDITY"}:
                self.selected_state = _folder_state(answer)
                return self.selected_state
            self._asks_status = True
        before = self.status(folder)
        for _ in range(BRACKETS):
            answer, after = self._open(folder), self.status(folder)
            if before.uidnext == after.uidnext:
                self.selected_state = _folder_state(answer, after)
                return self.selected_state
            before = after
        self.selected_state = before
        return before

    def examine(self, folder: str) -> FolderState:
        """Open a folder to read it, without any effect on it. It doesn't count as selected, so nothing moves out of it.

        Returns its state by STATUS, from just before.
        """
        state = self.status(folder)
        with self._about(folder), self._connection.translated():
            self._selected = self.selected_state = None
            self._connection.client.open_folder(folder, read_only=True)
            self._connection.take_news()
        return state

    def _open(self, folder: str) -> dict[bytes, object]:
        with self._about(folder), self._connection.translated():
            self._selected = self.selected_state = None
            answer = self._connection.client.open_folder(folder)
            self._connection.take_news()
            self._selected = folder
            self.read_only = b"READ-ONLY" in answer
            return answer

    def status(self, folder: str) -> FolderState:
        """Ask for the state of a folder without selecting it."""
        with self._about(folder), self._connection.translated():
            return _folder_state(self._connection.client.folder_status(folder, STATUS_ITEMS))

    def noop(self) -> bool:
        """Give the server a chance to report changes of the selected folder. Returns whether it reported any."""
        with self._connection.translated():
            self._connection.client.noop()
            return self._connection.take_news()

    @contextmanager
    def _about(self, folder: str) -> Iterator[None]:
        """A refusal names the folder and its setting, unless it passes."""
        try:
            yield
        except CommandRefused as refused:
            if refused.refusal is Refusal.PASSING:
                raise FolderBusy(folder, str(refused)) from refused
            raise FolderRefused(folder, self._named_by.setting_of(folder)) from refused


def _flags(flags: object) -> frozenset[str]:
    return frozenset(text_of(flag).lower() for flag in flags) if isinstance(flags, tuple) else frozenset[str]()


def _folder_state(answer: Mapping[bytes, object], other: FolderState | None = None) -> FolderState:
    """The state by this answer; where it doesn't say, by the other one."""
    messages = answer.get(b"MESSAGES", answer.get(b"EXISTS"))
    return FolderState(
        _number(answer.get(b"UIDVALIDITY", None if other is None else other.uidvalidity), "UIDVALIDITY"),
        _number(answer.get(b"UIDNEXT", None if other is None else other.uidnext), "UIDNEXT"),
        _number(messages, "number of messages"),
    )


def _number(value: object, what: str) -> int:
    found = value[0] if isinstance(value, list | tuple) else value
    if found is None:
        raise ProtocolFault(f"the server doesn't say the {what} of a folder")
    return int(str(found))
