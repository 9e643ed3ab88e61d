"""What is remembered of mail in the folder of handled mail that no row of the journal explains."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import orjson

from worker.journal.facts import Facts

_NAME = "unexplained"


@dataclass(frozen=True, slots=True)
class UnexplainedNote:
    """What the last look found.

    folder, uidvalidity: which UIDs these are. looked: the next look begins at this UID. What lay below it at the first
    look, or when a person acknowledged it, is taken as known. uids: messages that no row explained yet. count: how many
    of them no row will.
    """

    folder: str
    uidvalidity: int
    looked: int
    uids: tuple[int, ...] = ()
    count: int = 0


def read_note(facts: Facts) -> UnexplainedNote | None:
    """Return what is remembered; None if nobody has looked yet. May raise `JournalUnavailable`."""
    stored = facts.recall(_NAME)
    if stored is None:
        return None
    noted = orjson.loads(stored)
    return UnexplainedNote(**{**noted, "uids": tuple(noted["uids"])})


def write_note(facts: Facts, note: UnexplainedNote) -> None:
    """Remember this in place of what was remembered. May raise `JournalUnavailable`."""
    facts.remember(_NAME, orjson.dumps(asdict(note)).decode())


def rename_folder(facts: Facts, names: Mapping[str, str]) -> None:
    """Remember the note under the folder's new name. names: new ones by old ones. May raise `JournalUnavailable`."""
    note = read_note(facts)
    if note is not None and note.folder in names:
        write_note(facts, replace(note, folder=names[note.folder]))
