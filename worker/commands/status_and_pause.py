"""The commands that need the journal alone: status, pause and resume."""

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.journal.facts import ENDED_BY_REBUILD
from worker.journal.waiting_again import WaitingAgain, waiting_again
from worker.logs.who import actor
from worker.observe.status import about, view
from worker.observe.view import StatusView

_REASONS = 5
"""For how many reasons `status` says which messages wait for another try."""
_REBUILD_FIRST = (
    "The work stays paused: `{by}` paused it, because this journal doesn't know about mail that was handled after "
    "the copy. Without the pause the worker would handle that mail again. Run `nhsmail-worker journal rebuild`: it "
    "enters what was handled, and ends the pause."
)
_PAUSED_UNTIL_REBUILT = (
    "The work is already paused: `{by}` paused it until `nhsmail-worker journal rebuild` has run. Nothing was "
    "changed. To keep it paused after that, run this command after the rebuild, before a worker starts."
)


def status(context: Context) -> StatusView:
    """The state, from the journal alone."""
    parts = context.parts
    with context.explained():
        parts.open_journal_to_read()
        login = parts.reading_guard().status()
        return view(parts.journal, about(context.settings), login, parts.clock())


def waiting(context: Context) -> list[WaitingAgain]:
    """The messages that wait for another try, by their reasons, from the journal that `status` opened."""
    with context.explained():
        return waiting_again(context.parts.journal.database, _REASONS)


def pause(context: Context, reason: str = "") -> None:
    """Pause the worker: nothing is handed over or settled until `resume`. reason: why, in the person's words.

    Raises:
        Failure: the work is paused until `journal rebuild`.
    """
    with context.opened():
        _see_that_a_person_may(context, _PAUSED_UNTIL_REBUILT)
        context.parts.journal.facts.pause(actor(), context.parts.clock(), reason)
        context.parts.announcer().paused(actor(), reason)


def resume(context: Context) -> None:
    """End a pause of a person's.

    Raises:
        Failure: only `journal rebuild` ends this pause. Otherwise mail that was handled before would be handled again.
    """
    with context.opened():
        _see_that_a_person_may(context, _REBUILD_FIRST)
        context.parts.journal.facts.resume()
        context.parts.announcer().resumed(actor())


def _see_that_a_person_may(context: Context, otherwise: str) -> None:
    note = context.parts.journal.facts.pause_note()
    if note is not None and note.actor in ENDED_BY_REBUILD:
        raise Failure(ExitCode.NOT_NOW, otherwise.format(by=note.actor))


def is_paused(context: Context) -> bool:
    """Whether the worker is paused."""
    return context.parts.journal.facts.paused() is not None
