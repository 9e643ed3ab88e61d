"""The commands for reviewing junk and dead letters, and for releasing or retrying messages."""

from collections.abc import Sequence

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.key_prefix import records_of
from worker.commands.shown import NotShown, Review, Shown
from worker.commands.wiring.from_settings import limits_of
from worker.journal.intents import Intents, Kind
from worker.journal.junk_review import reviewed
from worker.journal.records import Record
from worker.logs.counted import agreeing, counted
from worker.logs.typed import as_typed
from worker.logs.who import actor
from worker.message.outcome import State
from worker.pipeline.header_suspects import HEADER_POISON
from worker.pipeline.late_headers import NO_HEADER
from worker.pipeline.requests import is_junk

_LIST = {State.JUNK: "junk", State.FAILED: "failed"}
_DONE = {Kind.RELEASE: "handled as clean", Kind.RETRY: "tried again"}
NEVER_AGAIN = (HEADER_POISON, NO_HEADER)
"""Reasons of dead letters that can't be tried again, because the worker can't read their headers."""


def show(context: Context, key: str) -> Shown:
    """Read one message from the mailbox now. key: as typed."""
    parts = context.parts
    with context.visit() as (session, _):
        (record,) = records_of(parts.journal.messages, [key])
        parts.announcer().shown(actor(), f"{_LIST.get(record.state, 'message')} show", record.key)
        try:
            shown = Review(limits_of(context.settings)).shown(session, record)
        except NotShown as problem:
            raise Failure(ExitCode.FINDING, str(problem)) from problem
        reviewed(parts.journal.database, record.key, parts.clock())
        return shown


def ask(context: Context, kind: Kind, given: Sequence[str], reason: str) -> str:
    """Release or retry messages: the running worker does it, or this command if there is none. given: as typed.

    Returns what to tell the user.
    """
    parts = context.parts
    with context.opened():
        records = records_of(parts.journal.messages, given)
        for record in records:
            _must_be_fit(kind, record)
        keys = [record.key for record in records]
        parts.announcer().asked(actor(), kind, keys, reason)
        Intents(parts.journal.database).ask(kind, keys, reason=reason, actor=actor(), now=parts.clock())
        what = f"{counted(len(keys), 'message')} {agreeing(len(keys), 'is', 'are')} {_DONE[kind]}"
        if parts.journal.facts.paused() is not None:
            return _told(kind, f"{what} after `nhsmail-worker resume`, because the worker is paused.", keys)
        lease = parts.lease
        if not lease.acquire():
            return _told(kind, f"{what} by the running worker, at its next poll.", keys)
    try:
        with lease.kept(), context.visit() as (session, _):
            opened = parts.requests().carry_out(session)
    except Failure as failure:
        raise Failure(failure.code, f"Recorded. The worker does it after its next login. {failure}") from failure
    finally:
        lease.release()
    if absent := [key for key in keys if key in opened.absent]:
        raise Failure(
            ExitCode.FINDING,
            f"Not found in its folder: {', '.join(absent)}. Somebody has moved or deleted it, or the mailbox was "
            "moved. It is handled if the next `nhsmail-worker run` or `nhsmail-worker once` finds it in a watched "
            "folder, and `gone` otherwise.",
        )
    return _told(kind, f"{what} by the next `nhsmail-worker run` or `nhsmail-worker once`.", keys)


def _told(kind: Kind, what: str, keys: Sequence[str]) -> str:
    """What to tell the user, with the command that shows what became of it."""
    return as_typed(f"{what} {_see(kind, keys)}")


def _see(kind: Kind, keys: Sequence[str]) -> str:
    if len(keys) == 1:
        return f"`nhsmail-worker find --key {keys[0]}` says what became of it."
    if kind is Kind.RETRY:
        return "`nhsmail-worker failed list` shows what failed again."
    return "`nhsmail-worker find --key KEY` says what became of each."


def _must_be_fit(kind: Kind, record: Record) -> None:
    """Refuse to release what isn't junk, and to retry what isn't a dead letter or has no header."""
    if kind is Kind.RELEASE and not is_junk(record):
        raise Failure(
            ExitCode.USAGE, f"The message {record.key} isn't junk, its state is {record.state}. Nothing was done."
        )
    if kind is Kind.RETRY and record.state is not State.FAILED:
        text = f"The message {record.key} isn't a dead letter, its state is {record.state}. Nothing was done."
        raise Failure(ExitCode.USAGE, text)
    if kind is Kind.RETRY and record.reason == HEADER_POISON:
        raise Failure(
            ExitCode.USAGE,
            f"The process died each time it read the header of the message {record.key}. Nothing was done. Look at "
            "it with a mail program. Once the fault is fixed, move it from there into the inbox: the worker then "
            "takes it as new mail.",
        )
    if kind is Kind.RETRY and record.reason == NO_HEADER:
        raise Failure(
            ExitCode.USAGE,
            f"The server never showed a header of the message {record.key}. Nothing was done. Once a mail program "
            "shows it, move it from there into the inbox: the worker then takes it as new mail.",
        )
