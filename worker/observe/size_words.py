"""How full the mailbox is, in words: the same on the page, in `status`, in `check`, in the log and in alerts."""

from typing import Final

from worker.journal.size_note import Fullness, SizeNote
from worker.observe.humanise import count

BOUNCES: Final = (
    "A full mailbox takes no mail: senders get it back undelivered, and a result that comes back isn't sent again by "
    "itself. What lies in the mailbox is safe."
)
FREE: Final = (
    "Have a person move out or delete what nobody needs, and empty Deleted Items, which count too. If all handled mail "
    "is kept elsewhere, and whoever answers for the records agrees, the worker can delete it: "
    "`[settle] delete_handled_after`, which is off unless it is set."
)
ASK: Final = "Ask your Local Administrator for a larger mailbox; then set `[mailbox] size` to it."
PAST: Final = "Ask the senders for what came back to them meanwhile: the worker never saw it."
NEVER_MEASURED: Final = "Not known yet. It is learned within an hour or two of the first start."


def advice(fullness: Fullness) -> str:
    """What a person does about it, in one text. Empty if nothing."""
    match fullness:
        case Fullness.FINE:
            return ""
        case Fullness.FILLING:
            return f"{BOUNCES} {FREE} {ASK}"
        case Fullness.FULL:
            return f"{BOUNCES} Free room today. {FREE} {ASK} {PAST}"


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
        return "At the present rate it doesn't fill up, or the rate isn't known yet."
    if days == 0:
        return "It is full, or will be within a day."
    return f"At the present rate it is full in {count(days, 'day')}."


def gigabytes(size: int) -> str:
    """`3.21 GB`, `812.4 MB`, `12 kB`."""
    for unit, name, digits in ((10**9, "GB", 2), (10**6, "MB", 1), (10**3, "kB", 0)):
        if size >= unit:
            return f"{size / unit:.{digits}f} {name}"
    return f"{size} B"
