"""Joins what lies in the mailbox with what the journal knows of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.commands.context import Context
from worker.commands.find.criteria import Criteria
from worker.commands.find.folder_find import FolderFind, Hit
from worker.commands.find.found_messages import Found, Presence
from worker.commands.find.routes_by_header import RoutesByHeader
from worker.commands.find.sought_rows import SoughtRows
from worker.commands.shown import plain
from worker.commands.wiring.from_settings import router_of
from worker.journal.histories import History, histories
from worker.journal.message_search import MessageSearch
from worker.journal.records import Record
from worker.mailbox.session import FolderState
from worker.message.message import Message
from worker.message.mime.headers import Headers
from worker.message.outcome import State


@dataclass(frozen=True, slots=True)
class Joined:
    """Every message that was found. not_compared: see `Findings`."""

    found: tuple[Found, ...]
    not_compared: int = 0


class Joining:
    """Finds the row of each message, and the messages that the journal alone knows."""

    def __init__(self, context: Context, search: MessageSearch) -> None:
        parts = context.parts
        self._messages = parts.journal.messages
        self._database = parts.journal.database
        self._search = search
        self._watched = frozenset(parts.layout.watched)
        since = context.settings.poll.since
        self._since = float("-inf") if since is None else since.timestamp()
        self._routes = RoutesByHeader(router_of(context.settings))

    def joined(self, finds: Sequence[FolderFind], rows: SoughtRows) -> Joined:
        """Join the hits with their rows. Rows that were looked for and don't lie in their places follow."""
        known = self._known(finds)
        hits = [
            (hit, *known.get((hit.folder, hit.uid), (None, self._without_row(hit))))
            for one in finds
            for hit in one.hits
        ]
        if key := rows.criteria.key:  # without those that only look like the message with the key
            hits = [item for item in hits if item[1] is not None and item[1].key.startswith(key)]
        shown = {record.id for _, record, _ in hits if record is not None}
        absent = [
            (row, presence)
            for row in rows.sought
            if row.id not in shown and (presence := _presence(row, finds)) is not None
        ]
        rows_shown = [*(record for _, record, _ in hits if record is not None), *(row for row, _ in absent)]
        of_keys = histories(self._database, [row.key for row in rows_shown])
        found = [self._found(hit, record, presence, of_keys) for hit, record, presence in hits]
        if not _is_comparable(rows.criteria):
            return Joined(tuple(found), not_compared=len(absent))
        found += [
            Found(presence, plain(row.place.folder), row.received_at, None, None, row, of_keys.get(row.key))
            for row, presence in absent
        ]
        return Joined(tuple(found))

    def _known(self, finds: Sequence[FolderFind]) -> dict[tuple[str, int], tuple[Record, Presence]]:
        """The row of each hit that has one. What a row says of a place counts only if the headers agree."""
        found: dict[tuple[str, int], tuple[Record, Presence]] = {}
        doubtful: dict[tuple[str, int], Record] = {}
        strangers: list[Hit] = []
        for one in finds:
            if one.state is None or not one.hits:
                continue
            rows = self._search.lying_at(one.folder, one.state, [hit.uid for hit in one.hits])
            for hit in one.hits:
                row = rows.get(hit.uid)
                if row is not None and row.fingerprint == hit.fingerprint:
                    found[hit.folder, hit.uid] = (row, Presence.IN_PLACE)
                    continue
                strangers.append(hit)
                if row is not None:
                    doubtful[hit.folder, hit.uid] = row
        taken = {row.id for row, _ in found.values()}
        alike = self._messages.with_fingerprints([hit.fingerprint for hit in strangers])
        states = {one.folder: one.state for one in finds if one.state is not None}
        for hit in strangers:
            place = (hit.folder, hit.uid)
            free = [row for row in alike.get(hit.fingerprint, ()) if row.id not in taken]
            here = [row for row in free if _is_somewhere_in(hit.folder, states[hit.folder], row)]
            if free:
                row = (here or free)[-1]
                found[place] = (row, Presence.IN_PLACE if here else Presence.ELSEWHERE)
                taken.add(row.id)
            elif place in doubtful:  # the server first showed other headers: the worker stores the new ones later
                found[place] = (doubtful[place], Presence.IN_PLACE)
        return found

    def _without_row(self, hit: Hit) -> Presence:
        if hit.folder not in self._watched:
            return Presence.UNWATCHED
        return Presence.TOO_OLD if hit.received_at < self._since else Presence.NOT_TAKEN_UP

    def _found(self, hit: Hit, record: Record | None, presence: Presence, of_keys: Mapping[str, History]) -> Found:
        headers = Headers.from_bytes(hit.header)
        sender = headers.get("From") or headers.get("Sender") or ""
        return Found(
            presence,
            plain(hit.folder),
            hit.received_at,
            plain(sender),
            plain(headers.get("Subject") or ""),
            record,
            None if record is None else of_keys.get(record.key),
            None if record is None else self._routes.of(_message(hit, headers, record), hit.size),
        )


def _message(hit: Hit, headers: Headers, record: Record) -> Message:
    """What is known of the message without its content."""
    received_at = datetime.fromtimestamp(hit.received_at, UTC)
    return Message(
        hit.header, key=record.key, folder=hit.folder, received_at=received_at, verdict=record.verdict, headers=headers
    )


def _is_somewhere_in(folder: str, state: FolderState, row: Record) -> bool:
    """Whether the journal has the message in this folder without a UID, as after a move that the server said no UID of.

    A UID from before the folder was numbered again is none.
    """
    return row.place.folder == folder and row.place.uid_in(state) is None and row.state is not State.GONE


def _is_comparable(criteria: Criteria) -> bool:
    """Whether rows alone can be what is looked for: they hold keys, times and senders' addresses as hashes."""
    by_rows = not criteria.sender or criteria.address is not None
    return by_rows and not (criteria.subject or criteria.either or criteria.message_id)


def _presence(row: Record, finds: Sequence[FolderFind]) -> Presence | None:
    """Why a row that was looked for isn't among the hits; None: its message was read, or not asked for any more."""
    if row.state is State.GONE:
        return Presence.TAKEN_AWAY
    if row.is_deleted:
        return Presence.DELETED
    folder = next((one for one in finds if one.folder == row.place.folder), None)
    if folder is None:
        return Presence.NOT_IN_PLACE
    if folder.state is None:
        return Presence.NOT_SEEN
    uid = row.place.uid_in(folder.state)
    if uid is None:
        return None if row.fingerprint in folder.shown.values() else Presence.NOT_SEEN
    if uid in folder.shown:
        return None if folder.shown[uid] == row.fingerprint else Presence.NOT_IN_PLACE
    if folder.state.messages and not folder.was_asked_for(uid):
        return None
    return Presence.NOT_SHOWN if folder.is_listed(uid) else Presence.NOT_IN_PLACE
