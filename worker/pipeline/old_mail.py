"""Counts the mail that a first drain would take up, and finds its oldest date. Reads no headers, writes nothing down.

It takes one SELECT and some fifteen SEARCH commands for each folder, so it is for the first day alone.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from worker.logs.counted import counted
from worker.mailbox.errors import CommandRefused, ProtocolFault
from worker.mailbox.folder_names import printable
from worker.mailbox.session import FolderState, Session
from worker.pipeline.whereabouts import list_uids

EARLIEST = date(1970, 1, 1)
"""No mail is older, by the date on which its server took it in."""


@dataclass(frozen=True, slots=True)
class OldMail:
    """What lies in one folder. oldest: the day on which the oldest message arrived; None: the server doesn't tell."""

    folder: str
    count: int
    oldest: date | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What lies in the watched folders, in their order, without the empty ones."""

    folders: tuple[OldMail, ...] = ()

    @property
    def count(self) -> int:
        """All messages."""
        return sum(one.count for one in self.folders)

    @property
    def oldest(self) -> date | None:
        """The day on which the oldest message of all arrived; None: there is none, or no server tells."""
        return min((one.oldest for one in self.folders if one.oldest is not None), default=None)

    @property
    def begins(self) -> datetime | None:
        """The midnight (UTC) with which the oldest day begins."""
        return None if self.oldest is None else datetime.combine(self.oldest, time(), UTC)

    def text(self) -> str:
        """For a person: how much lies there, since when, and in which folders."""
        if not self.folders:
            return "The watched folders are empty."
        names = [printable(one.folder) for one in self.folders]
        width = max(map(len, names))
        lines = [
            f"  {name:<{width}}  {_so_many(one.count, one.oldest)}"
            for name, one in zip(names, self.folders, strict=True)
        ]
        return "\n".join([f"The watched folders hold {_so_many(self.count, self.oldest)}:", *lines])


def _so_many(count: int, oldest: date | None) -> str:
    messages = counted(count, "message")
    if oldest is None:
        return messages
    return f"{messages}, the oldest of {oldest}" if count != 1 else f"{messages} of {oldest}"


def backlog(session: Session, folders: Sequence[str], today: date, since: date | None = None) -> Backlog:
    """Count what lies in these folders.

    today: no message is searched for that arrived later. since: leave older mail out. May raise `MailboxError`. Leaves
    the last folder selected.
    """
    found = []
    for folder in folders:
        state = session.select(folder)
        if count := len(list_uids(session, folder, state, since)):
            found.append(OldMail(folder, count, _oldest(session, state, since or EARLIEST, today)))
    return Backlog(tuple(found))


def _oldest(session: Session, state: FolderState, first: date, last: date) -> date | None:
    """The last day of those since which as many messages have arrived as since the first."""

    def arrived_since(day: int) -> int:
        return len(session.search(uidnext=state.uidnext, since=date.fromordinal(day)))

    # The server's clock may be ahead of ours, so that mail lies there of a day that is still to come for us.
    days = range(first.toordinal(), max(first, last).toordinal() + 1)
    try:
        everything = arrived_since(days.start)
        found = bisect_left(days, 1, key=lambda day: int(arrived_since(day) < everything))
    except CommandRefused:
        return None
    except ProtocolFault as fault:
        if not fault.by_server:
            raise
        return None  # BAD: the server knows no such date
    return date.fromordinal(days[max(0, found - 1)]) if everything else None
