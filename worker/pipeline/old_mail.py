"""Counts the mail that a first drain would take up, and finds its oldest date. Reads no headers, writes nothing down.

The server names the day of every message, which is too much for anything but the first drain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from worker.logs.counted import counted
from worker.mailbox.folder_names import printable
from worker.mailbox.session import ArrivalDays, Session
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


def backlog(
    session: Session,
    folders: Sequence[str],
    today: date,
    since: date | None = None,
    *,
    states_of: Sequence[str] = (),
) -> Backlog:
    """Count what lies in these folders.

    today: mail of a later day counts as today's. since: leave older mail out. states_of: as in `Session.days`.

    May raise `MailboxError`, and leave no folder selected.
    """
    arrived = session.days(folders, states_of=states_of)
    found = [_old_mail(session, folder, arrived[folder], today, since) for folder in folders]
    return Backlog(tuple(one for one in found if one.count))


def _old_mail(session: Session, folder: str, arrived: ArrivalDays, today: date, since: date | None) -> OldMail:
    shown = arrived.by_day or {}
    if sum(shown.values()) < arrived.messages:  # SEARCH may know of those that aren't shown
        count = len(list_uids(session, folder, session.select(folder), since))
    else:
        count = sum(many for day, many in shown.items() if since is None or day is None or day >= since)
    first = since or EARLIEST
    # The server's clock may be ahead of ours, so that mail lies there of a day that is still to come for us.
    days = [min(day, max(first, today)) for day in shown if day is not None and day >= first]
    return OldMail(folder, count, min(days, default=None))
