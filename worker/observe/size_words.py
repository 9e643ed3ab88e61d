"""How full the mailbox is, in words: the same on the page, in `status`, in `check`, in the log and in alerts."""

from typing import Final

from worker.journal.size_note import Fullness, SizeNote
from worker.logs.counted import counted

BOUNCES: Final = (
    "A full mailbox accepts no mail. Senders get it back undelivered, and nobody sends a returned result again "
    "automatically. Mail that is in the mailbox is safe."
)
FREE: Final = (
    "Move out or delete mail that nobody needs, and empty Deleted Items, which count too. The worker can delete "
    "handled mail, if all of it is kept elsewhere and the person responsible for the records agrees: set `[settle] "
    "delete_handled_after`."
)
ASK: Final = "Ask your Local Administrator for a larger mailbox, then set `[mailbox] size` to it."
PAST: Final = "Ask the senders to send again what came back to them. The worker never saw it."
NEVER_MEASURED: Final = "Not known yet. The worker finds out within two hours of the first start."


def advice(fullness: Fullness) -> str:
    """What a person does about it, in one text. Empty if nothing."""
    match fullness:
        case Fullness.FINE:
            return ""
        case Fullness.FILLING:
            return f"{BOUNCES} {FREE} {ASK}"
        case Fullness.FULL:
            return f"{BOUNCES} Make room today. {FREE} {ASK} {PAST}"


def size_line(note: SizeNote) -> str:
    """How full it is, by what, and for how long it will do."""
    by = "an estimate: the sum of the messages' sizes" if note.estimate else "by the server's quota"
    against = "" if note.told else ", against [mailbox] size"
    return (
        f"{gigabytes(note.used)} of {gigabytes(note.limit)}, {note.percent} % ({by}{against}). "
        f"{prospect(note.days_left)}"
    )


def prospect(days: int | None) -> str:
    """When it will be full."""
    if days is None:
        return "It isn't filling up, or the rate isn't known yet."
    if days == 0:
        return "It is full, or will be within a day."
    return f"At the present rate it will be full in {counted(days, 'day')}."


def gigabytes(size: int) -> str:
    """`3.21 GB`, `812.4 MB`, `12 kB`."""
    for unit, name, digits in ((10**9, "GB", 2), (10**6, "MB", 1), (10**3, "kB", 0)):
        if size >= unit:
            return f"{size / unit:.{digits}f} {name}"
    return f"{size} B"
