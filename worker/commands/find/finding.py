"""Finds messages: which folders are looked at, and how what lies there is joined with the journal."""

from collections.abc import Iterable, Sequence

from worker.commands.context import Context
from worker.commands.find.criteria import Criteria
from worker.commands.find.folder_find import FolderFind
from worker.commands.find.folder_search import Bounds, FolderSearch
from worker.commands.find.found_messages import Findings, newest_first
from worker.commands.find.joining import Joining
from worker.commands.find.sought_rows import MOST_ROWS, SoughtRows
from worker.commands.shown import plain
from worker.commands.wiring.from_settings import senders_of
from worker.journal.message_search import MessageSearch
from worker.journal.records import Record
from worker.logs.who import actor
from worker.mailbox.folder_names import is_inbox
from worker.mailbox.session import Session
from worker.message.key import Fingerprints


def find(context: Context, criteria: Criteria, bounds: Bounds, *, all_folders: bool = False) -> Findings:
    """Look for messages in the mailbox and in the journal, beside a running worker. Stores nothing.

    all_folders: also in the folders that the worker neither watches nor moves mail to.
    """
    parts = context.parts
    with context.visit() as (session, _):
        parts.announcer().searched(actor(), "find", criteria.names)
        search = MessageSearch(parts.journal.database)
        marked = _marked(context, criteria, search)
        rows = SoughtRows(search, criteria, marked)
        listed = [folder.name for folder in session.folders() if folder.holds_mail]
        ours = dict.fromkeys([*parts.layout.watched, *parts.targets(), *(row.place.folder for row in rows.sought)])
        there = [name for name in ours if name in listed or is_inbox(name)]
        others = [name for name in listed if name not in ours and not is_inbox(name)]
        finder = Finder(session, rows, Fingerprints(context.settings.account.address), bounds)
        finds = finder.find(there, others if all_folders else ())
        without_sender = 0 if marked is None else search.without_sender(criteria.window.since, criteria.window.until)
        joined = Joining(context, search).joined(finds, rows)
    found = newest_first(joined.found)
    return Findings(
        found=tuple(found[: bounds.limit]),
        more=len(found) > bounds.limit or any(one.look.left for one in finds),
        looks=tuple(one.look for one in finds),
        not_searched=() if all_folders or finder.was_quick else tuple(map(plain, others)),
        by_hash=None if marked is None else len(marked),
        without_sender=without_sender,
        not_compared=joined.not_compared,
        quick=finder.was_quick,
    )


def _marked(context: Context, criteria: Criteria, search: MessageSearch) -> list[Record] | None:
    """The messages of the sender's address, by its keyed hash; None: no address was given."""
    if criteria.address is None:
        return None
    mark = senders_of(context.settings).mark(criteria.address)
    return search.by_sender(mark, criteria.window.since, criteria.window.until, most=MOST_ROWS)


class Finder:
    """Looks through the folders. was_quick: whether the places in the journal were enough."""

    def __init__(self, session: Session, rows: SoughtRows, fingerprints: Fingerprints, bounds: Bounds) -> None:
        self._session = session
        self._rows = rows
        self._fingerprints = fingerprints
        self._bounds = bounds
        self.was_quick = False

    def find(self, there: Sequence[str], others: Iterable[str]) -> list[FolderFind]:
        """Find what is looked for in these folders. Messages of a key are looked for in their places first."""
        if not self._rows.criteria.key:
            return [self._search(self._rows.criteria).find(name, self._rows.folder(name)) for name in [*there, *others]]
        places = dict.fromkeys(row.place.folder for row in self._rows.sought)
        in_place = [
            self._search(self._rows.criteria).at(name, self._rows.folder(name)) for name in places if name in there
        ]
        shown = {(one.folder, uid): mark for one in in_place for uid, mark in one.shown.items()}
        self.was_quick = all(
            shown.get((row.place.folder, row.place.uid or 0)) == row.fingerprint for row in self._rows.sought
        )
        if self.was_quick:
            return in_place
        wanted = self._rows.around()
        return [self._search(wanted).find(name, self._rows.folder(name)) for name in [*there, *others]]

    def _search(self, criteria: Criteria) -> FolderSearch:
        return FolderSearch(self._session, criteria, self._fingerprints, self._bounds, self._rows.fingerprints)
