"""`handle`: has messages handled again that were handled before, on a person's word."""

from collections.abc import Sequence
from datetime import UTC, datetime

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.key_prefix import UnknownKey, records_of
from worker.commands.wiring.from_settings import limits_of, router_of
from worker.handling.loading import junk_handlers
from worker.journal.intents import Intents, Kind
from worker.journal.records import Record
from worker.logs.counted import agreeing, counted
from worker.logs.typed import as_typed
from worker.logs.who import actor
from worker.mailbox.folder_opening import select_if_there
from worker.mailbox.session import Session
from worker.message.key import MessageKey
from worker.message.message import Message
from worker.message.mime.limits import MessageError
from worker.message.outcome import State
from worker.message.verdict import MailPath, Verdict
from worker.pipeline.whereabouts import Whereabouts
from worker.settings import Settings

NOTHING = "Nothing was done."
NEXT = "the next `nhsmail-worker run` or `nhsmail-worker once`"


def handle(context: Context, given: Sequence[str], reason: str, only: str | None) -> str:
    """Have messages handled again: the running worker does it, or a later run. given: keys as typed.

    only: the one handler that gets them; None: all handlers of their routes. Returns what to tell the user.
    """
    parts, settings = context.parts, context.settings
    with context.opened():
        records = _known(context, given)
        for record in records:
            _must_be_fit(record, settings, only)
    with context.visit() as (session, _):
        _must_be_there(session, records, parts.journal_parts().whereabouts, settings, only)
        keys = [record.key for record in records]
        parts.announcer().asked(actor(), Kind.HANDLE, keys, reason, handler=only)
        Intents(parts.journal.database).ask(
            Kind.HANDLE, keys, reason=reason, actor=actor(), now=parts.clock(), handler=only
        )
        if parts.journal.facts.paused() is not None:
            return as_typed(f"The worker is paused. {_messages(keys)} handled again after `nhsmail-worker resume`.")
        lease = parts.lease
        if not lease.acquire():
            return f"{_messages(keys)} handled again by the running worker, at its next poll."
        try:
            with lease.kept():
                opened = parts.requests().carry_out(session)
        finally:
            lease.release()
    if absent := [key for key in keys if key in opened.absent]:
        raise Failure(ExitCode.FINDING, f"{_absent(absent)} Every other message is handled again by {NEXT}.")
    return as_typed(f"{_messages(keys)} handled again by {NEXT}.")


def _messages(keys: Sequence[str]) -> str:
    return f"{counted(len(keys), 'message')} {agreeing(len(keys), 'is', 'are')}"


def _known(context: Context, given: Sequence[str]) -> list[Record]:
    try:
        return records_of(context.parts.journal.messages, given)
    except UnknownKey as failure:
        days = context.settings.state.keep.days
        raise Failure(
            failure.code,
            f"{failure} The journal forgets a message {counted(days, 'day')} after it has left the mailbox. Such a "
            "message can't be handled again.",
        ) from failure


def _must_be_fit(record: Record, settings: Settings, only: str | None) -> None:
    """Refuse what wasn't handled, and a handler that the message can't have."""
    key, names = record.key, _names(settings, _path(record))
    match record.state:
        case State.FAILED:
            raise _unfit(f"The message {key} is a dead letter.", f"Run `nhsmail-worker failed retry {key}` instead.")
        case State.PENDING:
            raise _unfit(f"The message {key} is pending: the worker still handles it.", "Wait until it is done.")
        case State.GONE:
            raise _unfit(
                f"Somebody took the message {key} out of the mailbox before it was handled.",
                "Move it into the inbox with a mail program: the worker then handles it.",
            )
        case State.JUNK if only is None:
            raise _unfit(
                f"The message {key} is junk.",
                f"If it is clean, run `nhsmail-worker junk release {key} --reason TEXT`. To have a handler of junk get "
                f"it again, add `--only HANDLER` ({', '.join(names)}).",
            )
        case State.HANDLED if record.is_deleted:
            raise Failure(
                ExitCode.FINDING,
                f"The message {key} is no longer in the mailbox: the worker deleted it, as [settle] "
                f"delete_handled_after says. It can't be handled again. {NOTHING}",
            )
    if only is not None and only not in names:
        raise _unfit(f"No route of {_path(record)} mail has the handler '{only}'.", f"There are: {', '.join(names)}.")


def _unfit(what: str, do: str) -> Failure:
    return Failure(ExitCode.USAGE, f"{what} {NOTHING} {do}")


def _path(record: Record) -> MailPath:
    return MailPath.JUNK if record.state is State.JUNK else MailPath.CLEAN


def _names(settings: Settings, path: MailPath) -> tuple[str, ...]:
    """The handlers of this path, in today's configuration."""
    if path is MailPath.JUNK:
        return junk_handlers(settings)
    return tuple(dict.fromkeys(name for route in settings.routes for name in route.handlers))


def _must_be_there(
    session: Session, records: Sequence[Record], whereabouts: Whereabouts, settings: Settings, only: str | None
) -> None:
    """Refuse messages that are no longer in their folders, and a handler that isn't in a message's own route.

    A message that isn't at its UID may still be in its folder, as its header shows.
    """
    absent: list[str] = []
    for folder in dict.fromkeys(record.place.folder for record in records):
        here = [record for record in records if record.place.folder == folder]
        state = select_if_there(session, folder)
        if state is None:
            absent += [record.key for record in here]
            continue
        placed = {uid: record for record in here if (uid := record.place.uid_in(state)) is not None}
        there = session.present(placed)
        placed = {uid: record for uid, record in placed.items() if uid in there}
        if lost := [record for record in here if record not in placed.values()]:
            strangers = whereabouts.strangers(session, folder, state)
            for record in lost:
                if uids := strangers.get(record.fingerprint):
                    placed[uids.pop(0)] = record
                else:
                    absent.append(record.key)
        if only is not None:
            _must_be_routed(session, placed, settings, only)
    if absent:
        raise Failure(ExitCode.FINDING, f"{_absent(absent)} {NOTHING}")


def _absent(keys: Sequence[str]) -> str:
    if len(keys) == 1:
        return f"The message {keys[0]} is no longer where the worker left it. Somebody has moved or deleted it."
    named = ", ".join(keys)
    return f"These messages are no longer where the worker left them: {named}. Somebody has moved or deleted them."


def _must_be_routed(session: Session, placed: dict[int, Record], settings: Settings, only: str) -> None:
    """Refuse a handler to which the routes don't send the message. Reads the messages, one at a time."""
    router, limits = router_of(settings), limits_of(settings)
    for uid, record in placed.items():
        for body in session.bodies([uid], cap=limits.message, expected=record.size):
            if not body.complete:
                continue  # the worker makes a dead letter of it
            message = Message(
                body.raw,
                key=MessageKey(record.key),
                folder=record.place.folder,
                received_at=datetime.fromtimestamp(record.received_at, UTC),
                verdict=Verdict(_path(record), record.verdict.evidence),
                limits=limits,
            )
            try:
                names = router.route(message).handlers
            except MessageError:
                continue
            if only not in names:
                raise _unfit(
                    f"The route of the message {record.key} doesn't have the handler '{only}'.",
                    f"It has: {', '.join(names)}.",
                )
