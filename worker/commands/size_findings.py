"""What `check --connect` and `reconcile` say of how full the mailbox is."""

from worker.commands.context import Context
from worker.journal.size_note import Fullness, SizeNote, read_size
from worker.mailbox.session import Session
from worker.observe.size_words import advice, size_line
from worker.reconcile.growth import fullness

UNKNOWN = (
    "The worker doesn't know how full the mailbox is, because the server gives no quota. While it runs, it adds up "
    "the sizes of the messages once a day, first an hour after its first start."
)


def size_lines(context: Context, session: Session | None) -> tuple[list[str], bool]:
    """The lines for the user, and whether the mailbox is full, or nearly.

    session: asked for the quota, where its server has one; without it, and otherwise, it is what the worker noted last.
    """
    note = _asked(context, session) or read_size(context.parts.journal.facts)
    if note is None:
        return [UNKNOWN], False
    lines = [f"The mailbox holds {size_line(note)}"]
    if note.fullness is not Fullness.FINE:
        lines.append(advice(note.fullness))
    return lines, note.fullness is Fullness.FULL


def _asked(context: Context, session: Session | None) -> SizeNote | None:
    if session is None or not session.has("QUOTA") or (storage := session.storage()) is None:
        return None
    rules = context.settings.mailbox
    noted = read_size(context.parts.journal.facts)
    limit = storage.limit or rules.size
    return SizeNote(
        context.parts.clock(),
        storage.used,
        limit,
        estimate=False,
        told=storage.limit is not None,
        fullness=fullness(Fullness.FINE, storage.used, limit, rules.warn),
        days_left=None if noted is None else noted.days_left,
    )
