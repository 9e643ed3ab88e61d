"""The commands that check and maintain the journal: reconcile, compact and rebuild. `backup` has a file of its own."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.wiring.from_settings import classify_of, senders_of
from worker.journal.database import JournalDamaged
from worker.journal.facts import ENDED_BY_REBUILD, REBUILD
from worker.journal.online_copy import COPIED
from worker.logs.who import actor
from worker.mailbox.folders import KEEP
from worker.reconcile.balance import Balance, Reconcile
from worker.reconcile.rebuild import Rebuild, Rebuilt

_RUNNING = "A worker is running. Stop it first. Nothing was done."


def reconcile(context: Context, acknowledged: str | None = None) -> tuple[Balance, int]:
    """Compare every message in the mailbox with the journal. Changes no message; works beside a running worker.

    acknowledged: a person's reason to take the mail in the folder of handled mail that no row explains as known; None:
    it stays a finding. Returns the balance, and how many such messages were acknowledged.
    """
    parts, count = context.parts, 0
    with context.visit() as (session, _):
        balance = Reconcile(parts.journal.messages, parts.walk()).balance(session)
        unexplained = parts.unexplained()
        if acknowledged is not None:
            count = unexplained.acknowledge(session)
            parts.announcer().acknowledged(actor(), count, acknowledged)
        return replace(balance, unexplained=unexplained.count(session)), count


def compact(context: Context) -> int:
    """Compact the rows of long-settled mail that is in no folder any more; returns how many."""
    with context.visit() as (session, _):
        return context.parts.compact(session)


def rebuild(context: Context, assume_handled_before: datetime | None) -> tuple[Rebuilt, Path | None]:
    """Rebuild the journal from the mailbox. Returns what was entered, and where a damaged journal was moved to."""
    if context.parts.handled is None and assume_handled_before is None:
        raise Failure(
            ExitCode.USAGE,
            'Handled mail stays in the watched folders ([settle] handled = "keep"), so the mailbox doesn\'t show '
            "what was handled. Nothing was done. Add --assume-handled-before DATE. The worker then handles mail "
            "that was received on that date or later, perhaps again.",
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
            parts.unexplained().acknowledge(session)  # rows of gone mail explain nothing; the rest has rows now
            parts.announcer().rebuilt(actor(), rebuilt.handled + rebuilt.junk + rebuilt.failed)
            parts.journal.facts.remember(COPIED, "")
            for paused_by in ENDED_BY_REBUILD:
                parts.journal.facts.resume(paused_by)
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
    parts = context.parts
    actual = parts.layout.actual
    return Rebuild(
        parts.journal.messages,
        parts.walk(),
        handled=None if parts.handled is None else actual(parts.handled),
        failed=actual(context.settings.settle.failed),
        junk=_junk_folders(context),
        assume_handled_before=assume_handled_before,
        clock=parts.clock,
        classify=classify_of(context.settings),
        sender_of=senders_of(context.settings),
        restored=bool(parts.journal.facts.recall(COPIED)),
    )


def _junk_folders(context: Context) -> list[str]:
    """The mailbox's junk folder, and the folder that we settle junk to, if that is another one."""
    ours = context.settings.settle.junk
    layout = context.parts.layout
    return [layout.junk] + ([] if ours in (KEEP, "auto") else [layout.actual(ours)])
