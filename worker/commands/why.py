"""Why a message is where it is, from the journal alone: what `failed show` and `junk show` begin with."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.commands.context import Context
from worker.commands.key_prefix import records_of
from worker.journal.histories import HandlerHistory, History, histories
from worker.journal.junk_review import in_junk
from worker.journal.records import Record
from worker.logs.typed import typed
from worker.message.outcome import State
from worker.message.verdict import MailPath
from worker.observe.humanise import times
from worker.observe.reason_words import reason_words

CLEAN = "Release it if it is clean:"
AGAIN = "Once that is fixed, try the message again:"
AT_ONCE = "Have the message tried again:"


@dataclass(frozen=True, slots=True)
class Why:
    """Why a message is where it is. No text is the sender's.

    fact: one sentence. facts: what else is known, each with its name. do: what a person does next, in order; empty:
    nothing. command: to be typed last, as it is typed in this installation; empty: none.
    """

    fact: str
    facts: tuple[tuple[str, str], ...] = ()
    do: tuple[str, ...] = ()
    command: str = ""


def why(context: Context, key: str) -> Why:
    """Why this message is where it is. Needs no login, so that it can be told without one. key: as typed."""
    journal = context.parts.journal
    with context.opened():
        (record,) = records_of(journal.messages, [key])
        history = histories(journal.database, [record.key])[record.key]
        known = {one.key for one in in_junk(journal.database) if one.known}
    return why_of(record, history, known=record.key in known)


def why_of(record: Record, history: History, *, known: bool = False) -> Why:
    """Why this message is where it is. known: whether its sender is a known one."""
    match record.state:
        case State.FAILED:
            return _failed(record, history)
        case State.JUNK:
            return _junk(record, history, known=known)
        case State.PENDING:
            return _pending(record, history)
        case State.HANDLED:
            return Why(_handled(record), tuple(_facts(record, history)))
        case State.GONE:
            return Why(reason_words("taken-away").fact, tuple(_facts(record, history)))


def _failed(record: Record, history: History) -> Why:
    words = reason_words(record.reason, _names(history))
    facts = tuple(_facts(record, history))
    if not words.again:
        return Why(words.fact, facts, words.do)
    command = typed(f'failed retry {record.key} --reason "…"')
    return Why(words.fact, facts, (*words.do, AGAIN if words.do else AT_ONCE), command)


def _junk(record: Record, history: History, *, known: bool) -> Why:
    counted = [f"{piece.source} says {piece.value}" for piece in record.verdict.evidence if piece.counts]
    evidence = ", ".join(dict.fromkeys(counted))
    fact = f"The message is junk: {evidence}." if evidence else "The message is junk. The journal doesn't know why."
    release = typed(f'junk release {record.key} --reason "…"')
    if not known:
        return Why(fact, tuple(_facts(record, history)), (CLEAN,), release)
    likely = "Mail of its sender was handled before, so it may be in junk by mistake. A sender can be forged."
    return Why(fact, tuple(_facts(record, history)), (likely, CLEAN), release)


def _pending(record: Record, history: History) -> Why:
    if record.reason is None:
        return Why("The message waits for its first try.", tuple(_facts(record, history)))
    words = reason_words(record.reason, _names(history))
    again = "The worker tries it again by itself."
    return Why(words.fact, tuple(_facts(record, history)), (*words.do, again))


def _handled(record: Record) -> str:
    if record.reason is not None:
        return reason_words(record.reason).fact
    junk = record.verdict.path is MailPath.JUNK
    return "The message was handled as clean, and judged junk later." if junk else "The message was handled."


def _facts(record: Record, history: History) -> Iterator[tuple[str, str]]:
    yield "Key", record.key
    yield "First seen", moment(history.first_seen_at)
    failed = history.last_failed
    tries = history.tries if failed is None else failed.tries
    if record.state in (State.FAILED, State.PENDING) and tries:
        by = "" if failed is None else f" of the handler '{failed.handler}'"
        yield "Tries", f"{tries} failed {'try' if tries == 1 else 'tries'}{by}"
    if record.state in (State.FAILED, State.PENDING) and history.last_try_at is not None:
        yield "Last try", moment(history.last_try_at)
    if failed is not None and failed.failure is not None and failed.failure.where is not None:
        yield "Where", place(failed.failure.where)
    if history.deaths:
        yield "Crashes", f"The worker's process ended {times(history.deaths)} while it handled this message alone"
    if record.state is State.PENDING and history.next_at is not None:
        yield "Next try", f"not before {moment(history.next_at)}"
    yield from (("Done", f"{one.handler}, {moment(one.done_at)}") for one in _done(record, history))
    if history.released_at is not None:
        yield "Released", moment(history.released_at)


def _done(record: Record, history: History) -> Iterator[HandlerHistory]:
    return (one for one in history.handlers if one.done_at is not None and one.path is record.verdict.path)


def _names(history: History) -> list[str]:
    return [one.handler for one in history.handlers]


def place(where: str) -> str:
    """`line 42 of ward.filing`, for `ward.filing:42`."""
    module, _, line = where.rpartition(":")
    return f"line {line} of {module}"


def moment(at: float | None) -> str:
    """`2026-11-27 10:05:13 UTC`."""
    return "–" if at is None else f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
