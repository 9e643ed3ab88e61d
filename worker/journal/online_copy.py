"""Copies the journal beside a running worker, for people to go back to.

A copy knows nothing of what comes after it. So it is marked before anybody can use it: its ledger of login attempts is
in doubt, which halts the login by password until a person vouches for the account, and it is paused, because mail that
was handled later would be handled again. `journal rebuild` enters that mail, and ends the pause.
"""

import uuid
from pathlib import Path

from sqlalchemy import delete
from sqlalchemy.engine import URL

from worker.journal.attempts import DOUBT, AttemptLedger
from worker.journal.database import CopyFailed, Database, JournalUnavailable
from worker.journal.facts import BACKUP, Facts
from worker.journal.migrate import refuse_newer
from worker.journal.read_only import readable
from worker.journal.schema import lease

COPIED = "copied"
"""The fact that says when a copy was made, until `journal rebuild` has entered what was settled since."""


def copy_journal(source: Path, target: Path, address: str, *, actor: str, now: float, doubt: str, copied: str) -> None:
    """Copy the journal in the file `source` to the empty file `target`. Writes nothing to `source`.

    now: epoch seconds. doubt: why attempts may be missing, for people. copied: the time, as it is stored.

    Raises:
        JournalUnavailable: the journal can't be read.
        JournalDamaged, JournalTooNew, OtherAccount: as `Journal.open`.
        CopyFailed: the copy can't be written, or isn't as it should be.
    """
    journal = readable(source)
    try:
        refuse_newer(journal)
        Facts(journal).refuse_others(address)
        journal.copy_to(target)
    finally:
        journal.close()
    copy = Database(URL.create("sqlite", database=str(target)), reading=True)  # it stays without a write-ahead log
    try:
        _mark(copy, actor, now, doubt, copied)
        copy.check_whole()
    except JournalUnavailable as error:
        raise CopyFailed(str(error)) from error
    finally:
        copy.close()


def _mark(copy: Database, actor: str, now: float, doubt: str, copied: str) -> None:
    ledger, facts = AttemptLedger(copy), Facts(copy)
    history = ledger.history()
    epoch = history.epoch or uuid.uuid4().hex
    ledger.append(after=history.head, floor=0, epoch=epoch, kind=DOUBT, actor=actor, at=now, note=doubt)
    facts.remember(COPIED, copied)
    if facts.paused() is None:
        facts.pause(BACKUP, now)
    with copy.write(durable=True) as connection:
        connection.execute(delete(lease))
