"""The commands that check and maintain the journal: reconcile, compact and rebuild."""

from datetime import datetime
from pathlib import Path

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.journal.database import JournalDamaged
from worker.logs.who import actor
from worker.pipeline.record import KEEP
from worker.reconcile.balance import Balance, Reconcile
from worker.reconcile.rebuild import Rebuild, Rebuilt

REBUILD = "journal rebuild"
"""The name recorded for who paused the worker while a new journal is being filled."""

_RUNNING = "A worker is running. Stop it first; nothing was done."


def reconcile(context: Context) -> Balance:
    """Compare every message in the mailbox with the journal. Changes nothing; works beside a running worker."""
    with context.visit() as (session, _):
        return Reconcile(context.parts.journal.messages, context.parts.walk()).balance(session)


def compact(context: Context) -> int:
    """Compact the rows of long-settled mail that is in no folder any more; returns how many."""
    with context.visit() as (session, _):
        return context.parts.compact(session)


def rebuild(context: Context, assume_handled_before: datetime | None) -> tuple[Rebuilt, Path | None]:
    """Rebuild the journal from the mailbox. Returns what was entered, and where a damaged journal was moved to."""
    if context.settings.settle.handled == KEEP and assume_handled_before is None:
        raise Failure(
            ExitCode.USAGE,
            'Handled mail stays in the watched folders ([settle] handled = "keep"), so the mailbox doesn\'t say '
            "what was handled. Nothing was done. Say it: --assume-handled-before DATE. Mail received on that date "
            "or later is handled, perhaps again.",
        )
    parts = context.parts
    lease = parts.lease
    try:
        with context.explained():
            damaged = _open_or_set_aside(context)
            if not lease.acquire():
                raise Failure(ExitCode.NOT_NOW, _RUNNING)
            _pause_until_rebuilt(context)
        with lease.kept(), context.visit() as (session, _):
            rebuilt = _rebuild(context, assume_handled_before)(session)
            parts.announcer().rebuilt(actor(), rebuilt.handled + rebuilt.junk + rebuilt.failed)
            parts.journal.facts.resume(REBUILD)
            return rebuilt, damaged
    finally:
        lease.release()


def _open_or_set_aside(context: Context) -> Path | None:
    """Open the journal. If it is damaged and no worker has it open, set it aside and start an empty one."""
    parts = context.parts
    try:
        parts.open_journal()
    except JournalDamaged:
        if not parts.lease.reserve():
            raise Failure(ExitCode.NOT_NOW, _RUNNING) from None
        kept = parts.journal.replace_damaged(context.settings.account.address, REBUILD)
        parts.open_journal()
        return kept
    return None


def _pause_until_rebuilt(context: Context) -> None:
    """Pause a new journal: if the rebuild fails, no worker may think that the empty journal is a new mailbox's."""
    facts = context.parts.journal.facts
    if facts.last_poll() is None and facts.paused() is None:
        facts.pause(REBUILD, context.parts.clock())


def _rebuild(context: Context, assume_handled_before: datetime | None) -> Rebuild:
    parts, settle = context.parts, context.settings.settle
    return Rebuild(
        parts.journal.messages,
        parts.walk(),
        handled=None if settle.handled == KEEP else settle.handled,
        failed=settle.failed,
        junk=_junk_folders(context),
        assume_handled_before=assume_handled_before,
        clock=parts.clock,
    )


def _junk_folders(context: Context) -> list[str]:
    """The mailbox's junk folder, and the folder that we settle junk to, if that is another one."""
    ours = context.settings.settle.junk
    return [context.parts.layout.junk] + ([] if ours in (KEEP, "auto") else [ours])
