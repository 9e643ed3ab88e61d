"""The lists of messages: junk, dead letters, and what a drain would come to, with what narrows each of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice

from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.commands.review import NEVER_AGAIN
from worker.commands.shown import AT_ONCE, Listed, Review, has_part, plain, reason_of
from worker.commands.taken_by import TakenBy
from worker.commands.wiring.from_settings import limits_of
from worker.commands.work import preview
from worker.handling.loading import junk_handlers
from worker.journal.failed_handlers import failed_handlers
from worker.journal.junk_review import in_junk
from worker.journal.key_search import short_keys
from worker.journal.records import Record
from worker.logs.who import actor
from worker.mailbox.session import Session
from worker.message.outcome import State
from worker.pipeline.preview import Foreseen

SHORT = 8
"""Characters of a key that a list shows. In a mailbox of a million messages few share so many."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which messages a person asks for. None: any.

    since: received at this time (epoch s) or later. sender, subject, reason: a part of each, in upper or lower case.
    handler: the one that failed. route: the one that takes the message by the present configuration. evidence: a source
    whose evidence counted. known: only messages from known senders.
    """

    since: float | None = None
    sender: str | None = None
    subject: str | None = None
    reason: str | None = None
    handler: str | None = None
    route: str | None = None
    evidence: str | None = None
    known: bool = False

    @property
    def reads_mail(self) -> bool:
        """Whether only the mailbox can tell, because the journal holds no content."""
        return self.sender is not None or self.subject is not None or self.route is not None


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a list shows, newest first.

    short: the least that a person must type of each key. handlers: the handler that each message failed at, by key.
    older: how many further messages are in the list. unread: how many older messages weren't looked at, so that nobody
    knows whether they belong into it.
    """

    items: Sequence[Listed]
    short: Mapping[str, str]
    handlers: Mapping[str, str] = field(default_factory=dict)
    older: int = 0
    unread: int = 0


def review(context: Context, state: State, choice: Choice, *, limit: int) -> Reviewed:
    """List the newest messages in a state, with sender and subject as read from the mailbox now."""
    parts = context.parts
    taken_by = _taken_by(context, choice)
    with context.visit() as (session, _):
        parts.announcer().shown(actor(), f"{state.value} list")
        records, known = _by_journal(context, state, choice)
        read = records if choice.reads_mail else records[:limit]
        found = _by_mailbox(context, session, read, choice, taken_by, known)
        items = list(islice(found, limit))
        left = _after(records, items[-1].key) if len(items) == limit else 0
        return Reviewed(
            items,
            short_keys(parts.journal.database, [item.key for item in items], shortest=SHORT),
            _blamed(context, records, {item.key for item in items}) if state is State.FAILED else {},
            older=0 if choice.reads_mail else left,
            unread=left if choice.reads_mail else 0,
        )


@dataclass(frozen=True, slots=True)
class Retryable:
    """Dead letters that can be tried again, newest first. left_out: how many more there are that can't."""

    items: Sequence[Listed]
    short: Mapping[str, str]
    left_out: int


def retryable(context: Context, choice: Choice) -> Retryable:
    """The dead letters that a person means. The mailbox is read only where the journal can't tell."""
    parts = context.parts
    taken_by = _taken_by(context, choice)
    if choice.reads_mail:
        with context.visit() as (session, _):
            parts.announcer().shown(actor(), "failed list")
            records, known = _by_journal(context, State.FAILED, choice)
            items = list(_by_mailbox(context, session, records, choice, taken_by, known))
    else:
        with context.opened():
            records, _known = _by_journal(context, State.FAILED, choice)
            items = [_unread(record) for record in records]
    hopeless = {record.key for record in records if record.reason in NEVER_AGAIN}
    kept = [item for item in items if item.key not in hopeless]
    short = short_keys(parts.journal.database, [item.key for item in kept], shortest=SHORT)
    return Retryable(kept, short, len(items) - len(kept))


@dataclass(frozen=True, slots=True)
class Expected:
    """A message as a dry run lists it: what is seen of it, and what it would come to. Every text is safe to print."""

    foreseen: Foreseen
    received_at: datetime | None
    sender: str
    subject: str


def expected(context: Context, choice: Choice) -> tuple[list[Expected], dict[str, str]]:
    """What a drain would come to now, and the least that a person must type of each key. Changes nothing."""
    _taken_by(context, choice)  # refuses a route that there isn't
    found = [item for one in preview(context) if _fits(item := _expected(one), choice)]
    with context.explained():
        keys = [item.foreseen.key for item in found if item.foreseen.key]
        return found, short_keys(context.parts.journal.database, keys, shortest=SHORT)


def _expected(one: Foreseen) -> Expected:
    received_at = None if one.received_at is None else datetime.fromtimestamp(one.received_at, UTC)
    return Expected(one, received_at, plain(one.sender or ""), plain(one.subject or ""))


def _fits(item: Expected, choice: Choice) -> bool:
    at = item.foreseen.received_at
    return (
        (choice.since is None or (at is not None and at >= choice.since))
        and has_part(item.sender, choice.sender)
        and has_part(item.subject, choice.subject)
        and has_part(item.foreseen.outcome, choice.reason)
        and choice.handler in (None, *item.foreseen.handlers)
        and choice.route in (None, *item.foreseen.routes)
    )


def _taken_by(context: Context, choice: Choice) -> TakenBy | None:
    if choice.route is None:
        return None
    taken_by = TakenBy(context.settings, choice.route)
    if choice.route not in taken_by.routes:
        raise Failure(
            ExitCode.USAGE,
            f"There is no route '{choice.route}'. Nothing was done. The routes are {', '.join(taken_by.routes)}.",
        )
    return taken_by


def _by_journal(context: Context, state: State, choice: Choice) -> tuple[list[Record], set[str]]:
    """The messages that fit by what the journal knows, newest first, and which keys are from known senders."""
    journal = context.parts.journal
    known = {waiting.key for waiting in in_junk(journal.database) if waiting.known} if state is State.JUNK else set()
    since = float("-inf") if choice.since is None else choice.since
    if choice.handler is not None:
        _must_be_known(context, choice.handler)
    found = [
        record
        for record in journal.messages.in_state(state, since=since, handler=choice.handler)
        if (not choice.known or record.key in known)
        and (choice.evidence is None or choice.evidence in _sources(record))
        and has_part(reason_of(record), choice.reason)
    ]
    return found, known


def _must_be_known(context: Context, handler: str) -> None:
    """Refuse a handler that is in no route today and at which no dead letter failed: it was mistyped."""
    journal, settings = context.parts.journal, context.settings
    today = {name for route in settings.routes for name in route.handlers} | set(junk_handlers(settings))
    if handler in today:
        return
    failed = [record.id for record in journal.messages.in_state(State.FAILED)]
    names = today | set(failed_handlers(journal.database, failed).values())
    if handler not in names:
        raise Failure(
            ExitCode.USAGE,
            f"There is no handler '{handler}'. Nothing was done. The handlers are {', '.join(sorted(names))}.",
        )


def _by_mailbox(
    context: Context,
    session: Session,
    records: Sequence[Record],
    choice: Choice,
    taken_by: TakenBy | None,
    known: set[str],
) -> Iterator[Listed]:
    """Those that fit by what the mailbox shows, in the order given. Reads no more of it than is asked for."""
    review = Review(limits_of(context.settings))
    for start in range(0, len(records), AT_ONCE):
        chunk = records[start : start + AT_ONCE]
        kept = chunk if taken_by is None else taken_by.of(session, chunk)
        yield from review.listed(session, kept, known=known, sender=choice.sender, subject=choice.subject)


def _after(records: Sequence[Record], key: str) -> int:
    """How many records come after the one with this key."""
    return next(len(records) - number for number, record in enumerate(records, start=1) if record.key == key)


def _blamed(context: Context, records: Sequence[Record], keys: set[str]) -> dict[str, str]:
    by_id = {record.id: record.key for record in records if record.key in keys}
    found = failed_handlers(context.parts.journal.database, list(by_id))
    return {by_id[row]: handler for row, handler in found.items()}


def _unread(record: Record) -> Listed:
    """A message of which nothing is read from the mailbox."""
    return Listed(
        record.key,
        datetime.fromtimestamp(record.received_at, UTC),
        sender="",
        subject="",
        reason=reason_of(record),
        tries=record.tries,
    )


def _sources(record: Record) -> set[str]:
    return {piece.source for piece in record.verdict.evidence if piece.counts}
