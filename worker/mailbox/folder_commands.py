"""The IMAP commands on folders: LIST, NAMESPACE, CREATE, SELECT, EXAMINE, STATUS and NOOP, and what goes with them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from worker.mailbox.arrival_days import ArrivalDays
from worker.mailbox.errors import CommandRefused, FolderBusy, FolderRefused, ProtocolFault
from worker.mailbox.folder_answers import text_of
from worker.mailbox.folder_names import same
from worker.mailbox.folder_refusals import Refusal
from worker.mailbox.folders import FolderInfo
from worker.mailbox.imap_connection import ImapConnection, refusable
from worker.mailbox.in_flight import Sent

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
        self._states_ahead: dict[str, Sent] = {}
        """STATUS that was asked for ahead, by folder. The answers are kept until a folder is opened."""
        self.selected_state: FolderState | None = None
        self.read_only = False

    @property
    def selected(self) -> str | None:
        """The selected folder; None if no folder is selected or the connection has ended."""
        return self._selected if self._connection.is_open else None

    def folders(self) -> list[FolderInfo]:
        """List all folders of the mailbox.

        Nothing is sent together with LIST: it is the first command after a login, and a connection that ends before its
        answer counts as a failed one.
        """
        with self._connection.translated():
            client = self._connection.client
            client.wire.in_flight.finish()
            listed = client.listed(client.send_list())
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
        (name,) = self.create_all([folder])
        return name

    def create_all(self, folders: Sequence[str]) -> Iterator[str]:
        """Create these folders, in one round trip. Yields their names in turn, and raises what `create` does."""
        with self._connection.translated():
            client = self._connection.client
            client.wire.in_flight.finish()
            sent = [client.send_create(folder) for folder in folders]
        try:
            for folder, one in zip(folders, sent, strict=True):
                yield self._created(folder, one)
        finally:
            self._forget(sent)

    def _forget(self, sent: Sequence[Sent]) -> None:
        """Read the answers to these commands, as far as nobody has read them, and drop them."""
        if self._connection.is_open:
            with self._connection.translated():
                in_flight = self._connection.client.wire.in_flight
                for one in sent:
                    in_flight.forget(one)
                in_flight.finish()

    def _created(self, folder: str, sent: Sent) -> str:
        try:
            with self._connection.translated():
                self._connection.client.check_answer(sent)
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
            state = self._told(self._open(folder))
            if state is not None:
                return state
        before = self._state_now(folder)
        for _ in range(BRACKETS):
            answer, after = self._open(folder), self._state_now(folder)
            if before.uidnext == after.uidnext:
                self.selected_state = _folder_state(answer, after)
                return self.selected_state
            before = after
        self.selected_state = before
        return before

    def select_and_search(self, folder: str, window: str) -> tuple[FolderState, set[int] | None]:
        """Select a folder, and ask in the same round trip which UIDs it has. None: ask anew.

        window: the UIDs to ask for.
        """
        if self._asks_status:
            return self.select(folder), None
        with self._connection.translated():
            client = self._connection.client
            client.wire.in_flight.finish()
            opening, listing = client.send_open(folder), client.wire.in_flight.send_search("UID", window)
        try:
            state = self._opened(folder, opening)
            if state is None:
                return self.select(folder), None
            if state.messages:
                with self._connection.translated():
                    return state, client.search_said(listing)
            with suppress(CommandRefused), refusable(self._connection):
                client.search_said(listing)  # some servers refuse it where there is nothing
            return state, set()
        finally:
            self._forget([listing])

    def glance(self, folders: Sequence[str], *, noop: bool) -> tuple[bool, dict[str, FolderState]]:
        """NOOP, if that is wanted, and the states of folders that aren't selected, in one round trip.

        Returns what `noop` returns, and the states.
        """
        with self._connection.translated():
            client = self._connection.client
            client.wire.in_flight.finish()
            asked = [client.wire.in_flight.send_plain("NOOP")] if noop else []
            sent = {folder: client.send_status(folder, STATUS_ITEMS) for folder in folders}
        try:
            news = self._heard(asked[0]) if asked else False
            return news, {folder: self._state_said(folder, one) for folder, one in sent.items()}
        finally:
            self._forget([*asked, *sent.values()])

    def days(self, folders: Sequence[str], *, states_of: Sequence[str], together: bool) -> dict[str, ArrivalDays]:
        """The days on which the messages of these folders arrived. Afterwards no folder counts as selected.

        together: ask for all of it in one round trip, and for the states of these other folders, which `status` tells.
        """
        found: dict[str, ArrivalDays] = {}
        for part in [folders] if together else [[folder] for folder in folders]:
            with self._connection.translated():
                self._leave()
                client = self._connection.client
                client.wire.in_flight.finish()
                sent = {folder: self._send_days(folder, together=together) for folder in part}
                if together:
                    self._states_ahead = {folder: client.send_status(folder, STATUS_ITEMS) for folder in states_of}
            try:
                found |= {folder: self._days_of(folder, *both) for folder, both in sent.items()}
            finally:
                self._forget([one for both in sent.values() for one in both])
        return found

    def _send_days(self, folder: str, *, together: bool) -> tuple[Sent, Sent]:
        client = self._connection.client
        opening = client.send_open(folder, read_only=True)
        if not together:
            client.wire.in_flight.complete(opening)
        return opening, client.wire.in_flight.send_days()

    def _days_of(self, folder: str, opening: Sent, listing: Sent) -> ArrivalDays:
        client = self._connection.client
        with self._about(folder), self._connection.translated():
            messages = _number(client.opened(opening).get(b"EXISTS"), "number of messages")
        if not messages:
            return ArrivalDays(0, {})  # some servers refuse to fetch where there is nothing
        try:
            with refusable(self._connection):
                return ArrivalDays(messages, client.days_said(listing))
        except CommandRefused:
            return ArrivalDays(messages, None)

    def examine(self, folder: str) -> FolderState:
        """Open a folder to read it, without any effect on it. It doesn't count as selected, so nothing moves out of it.

        Returns its state by STATUS, from just before.
        """
        state = self._state_now(folder)
        with self._about(folder), self._connection.translated():
            self._leave()
            self._connection.client.open_folder(folder, read_only=True)
            self._connection.take_news()
        return state

    def _open(self, folder: str) -> dict[bytes, object]:
        with self._about(folder), self._connection.translated():
            self._leave()
            return self._selects(folder, self._connection.client.open_folder(folder))

    def _opened(self, folder: str, opening: Sent) -> FolderState | None:
        with self._about(folder), self._connection.translated():
            self._leave()
            return self._told(self._selects(folder, self._connection.client.opened(opening)))

    def _leave(self) -> None:
        self._selected = self.selected_state = None
        for sent in self._states_ahead.values():
            self._connection.client.wire.in_flight.forget(sent)
        self._states_ahead = {}

    def _selects(self, folder: str, answer: dict[bytes, object]) -> dict[bytes, object]:
        self._connection.take_news()
        self._selected = folder
        self.read_only = b"READ-ONLY" in answer
        return answer

    def _told(self, answer: Mapping[bytes, object]) -> FolderState | None:
        """The state of the folder by the answer to SELECT; None: it doesn't say enough, so STATUS is asked as well."""
        if answer.keys() >= {b"UIDNEXT", b"UIDVALIDITY"}:
            self.selected_state = _folder_state(answer)
            return self.selected_state
        self._asks_status = True
        return None

    def status(self, folder: str) -> FolderState:
        """The state of a folder, without selecting it: as it is now, or as it was when it was asked for ahead."""
        ahead = self._states_ahead.pop(folder, None)
        return self._state_now(folder) if ahead is None else self._state_said(folder, ahead)

    def _state_now(self, folder: str) -> FolderState:
        with self._about(folder), self._connection.translated():
            return _folder_state(self._connection.client.folder_status(folder, STATUS_ITEMS))

    def noop(self) -> bool:
        """Give the server a chance to report changes of the selected folder. Returns whether it reported any."""
        return self.glance((), noop=True)[0]

    def _heard(self, sent: Sent) -> bool:
        with self._connection.translated():
            self._connection.client.check_answer(sent)
            return self._connection.take_news()

    def _state_said(self, folder: str, sent: Sent) -> FolderState:
        with self._about(folder), self._connection.translated():
            return _folder_state(self._connection.client.status_said(sent))

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
