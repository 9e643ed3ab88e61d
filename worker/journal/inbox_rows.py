"""Brings what the journal says of the inbox under one name, `INBOX`.

Servers take that name in any letters (RFC 3501, 5.1), and earlier versions stored it as the settings spelled it. To the
worker, two spellings are two folders: what lies in one would count as copies of what rows place in the other, and would
be handled again.

This is done when the lease is taken, not when the journal is opened. Until then a worker of an earlier version may
still be running, and its own spelling must stay in its rows.
"""

from itertools import product
from typing import Final

from sqlalchemy import Connection, case, delete, select, update

from worker.journal.facts import Facts, set_fact, stored_fact
from worker.journal.header_reads import HEADER_READS, HeaderReads, read_header_reads
from worker.journal.records import Place
from worker.journal.rows import Rows
from worker.journal.schema import folder, headerless, message
from worker.journal.unexplained_note import rename_folder

INBOX: Final = "INBOX"
_OTHERS: Final = tuple(
    spelled for letters in product(*zip(INBOX, INBOX.lower(), strict=True)) if (spelled := "".join(letters)) != INBOX
)
"""All other spellings of it. The indexes find these, and wouldn't find what SQL's `upper` makes of a name."""
AT_ONCE: Final = 10_000
"""Messages that are renamed in one transaction, so that the lease can be renewed between two."""


class InboxRows(Rows):
    """Renames the inbox, under the fence of whoever has just taken the lease."""

    def rename_some(self, at_once: int = AT_ONCE) -> bool:
        """Rename the inbox in so many messages at most; once none is left, also everywhere else.

        Returns whether messages may be left: then call it again. If there is nothing to do, the indexes show that, and
        no messages are read. May raise `JournalUnavailable`.
        """
        with self._write() as connection:
            if _rename_messages(connection, at_once):
                return True
            _rename_targets(connection)
            _rename_look(connection)
            self._rename_headerless(connection)
            self._rename_header_reads(connection)
        rename_folder(Facts(self._database), dict.fromkeys(_OTHERS, INBOX))
        return False

    def _rename_headerless(self, connection: Connection) -> None:
        others = headerless.c.folder.in_(_OTHERS)
        rows = connection.execute(select(headerless).where(others)).mappings().all()
        if rows:
            known = self._insert(headerless).on_conflict_do_nothing()
            connection.execute(known, [{**row, "folder": INBOX} for row in rows])
            connection.execute(delete(headerless).where(others))

    def _rename_header_reads(self, connection: Connection) -> None:
        reads = read_header_reads(stored_fact(connection, HEADER_READS))
        renamed = _with_one_inbox(reads)
        if renamed != reads:
            set_fact(connection, self._insert, HEADER_READS, renamed.stored())


def _rename_messages(connection: Connection, at_once: int) -> bool:
    """Rename the inbox where so many messages lie, or are to go. Returns whether others may be left."""
    some = select(message.c.id).where(message.c.folder.in_(_OTHERS)).limit(at_once)
    target = case((message.c.settle_to.in_(_OTHERS), INBOX), else_=message.c.settle_to)
    renamed = connection.execute(update(message).where(message.c.id.in_(some)).values(folder=INBOX, settle_to=target))
    return bool(renamed.rowcount == at_once)


def _rename_targets(connection: Connection) -> None:
    """Rename the folder that messages are still to be moved to. Those that lie in the inbox have been done."""
    unsettled = message.c.settled_at.is_(None), message.c.outcome_at.is_not(None)
    connection.execute(update(message).where(*unsettled, message.c.settle_to.in_(_OTHERS)).values(settle_to=INBOX))


def _rename_look(connection: Connection) -> None:
    """Keep the last look at the inbox. Of looks under two names, the one with the higher numbers is the later one."""
    named = folder.c.name.in_((INBOX, *_OTHERS))
    looks = connection.execute(select(folder).where(named)).all()
    if all(look.name == INBOX for look in looks):
        return
    last = max(looks, key=lambda look: (look.uidvalidity, look.uidnext))
    connection.execute(delete(folder).where(named))
    connection.execute(
        folder.insert().values(
            name=INBOX,
            uidvalidity=last.uidvalidity,
            uidnext=last.uidnext,
            seen=last.seen if len(looks) == 1 else "",  # rows of both lie there now: compare what it shows with them
        )
    )


def _with_one_inbox(reads: HeaderReads) -> HeaderReads:
    deaths: dict[Place, int] = {}
    for place, count in reads.deaths.items():
        renamed = _renamed(place)
        deaths[renamed] = max(count, deaths.get(renamed, 0))
    return HeaderReads(tuple(map(_renamed, reads.reading)), reads.alone, deaths)


def _renamed(place: Place) -> Place:
    return Place(INBOX, place.uidvalidity, place.uid) if place.folder in _OTHERS else place
