"""What `find` tells a person, in sentences. Texts of the mailbox come in safe to print; see `Found`."""

from collections.abc import Iterator
from datetime import UTC, datetime

from worker.commands.find.criteria import Criteria
from worker.commands.find.folder_find import FolderLook
from worker.commands.find.found_messages import Findings, Found, Presence
from worker.commands.shown import plain
from worker.journal.histories import HandlerHistory
from worker.journal.records import Record
from worker.logs.counted import counted
from worker.logs.typed import typed
from worker.message.outcome import State
from worker.message.reasons import Reason, read_reason
from worker.message.verdict import MailPath
from worker.observe.humanise import thousands
from worker.observe.reason_words import handler_reason, reason_words

_MORE_HEADERS = (
    "Add `--look NUMBER` to read the headers of more messages, or `--since` and `--until` to narrow the time."
)


def facts(found: Found) -> Iterator[tuple[str, str]]:
    """What is known of a message, each with its name."""
    yield "Received", moment(found.received_at)
    if found.sender is not None:
        yield "From", found.sender
        yield "Subject", found.subject or ""
    yield "Place", place(found)
    if found.record is None:
        return
    record = found.record
    yield "State", state(found, record)
    if (why := reason(found, record)) is not None:
        yield "Reason", why
    if found.routes is not None:
        yield "Route" if len(found.routes) == 1 else "Routes", f"{', '.join(found.routes)} (by today's rules)"
    elif found.sender is not None:
        yield "Route", "It depends on the content, which this command doesn't read."
    if found.history is not None:
        for number, one in enumerate(found.history.handlers):
            yield "" if number else "Handlers", handler(one, record)
    yield "Verdict", verdict(record)
    yield "Key", record.key


def next_command(found: Found) -> str | None:
    """The command that shows more of it, or has it handled again, as it is typed here; None: there is none."""
    return None if found.next_command is None else typed(found.next_command)


def place(found: Found) -> str:
    """Where it lies."""
    folder = f"'{found.folder}'"
    had = "" if found.record is None else f"'{plain(found.record.place.folder)}'"
    return {
        Presence.IN_PLACE: folder,
        Presence.ELSEWHERE: f"{folder}. The journal has a message with the same headers in {had}.",
        Presence.NOT_TAKEN_UP: f"{folder}. The journal has no row for it yet. The next poll takes it up.",
        Presence.TOO_OLD: f"{folder}. It is older than `since` under `[poll]`, so the worker leaves it alone.",
        Presence.UNWATCHED: f"{folder}. The journal has no row for it. The worker takes up no mail from this folder.",
        Presence.NOT_IN_PLACE: f"It isn't in {folder}, where the journal has it. Somebody moved or deleted it.",
        Presence.NOT_SHOWN: f"{folder}. The server doesn't show its headers now.",
        Presence.NOT_SEEN: f"{folder}, as the journal says. It wasn't among the messages that were read.",
        Presence.TAKEN_AWAY: f"It was in {folder}. Somebody moved or deleted it before it was done.",
        Presence.DELETED: f"It was in {folder}. The worker deleted it when `delete_handled_after` had passed.",
    }[found.presence]


def state(found: Found, record: Record) -> str:
    """What became of it."""
    outcome_at = None if found.history is None else found.history.outcome_at
    at = "" if outcome_at is None else f" on {moment(outcome_at)}"
    match record.state:
        case State.HANDLED:
            return f"handled{at}"
        case State.JUNK:
            return f"junk{at}"
        case State.FAILED:
            return f"dead letter{at}"
        case State.GONE:
            return f"taken away, noticed{at}"
        case State.PENDING:
            return f"{_waits(record)}{_next_try(record)}"


def _waits(record: Record) -> str:
    reason, detail = read_reason(record.reason)
    if record.in_hand is not None:
        return "being handled now"
    if reason is Reason.PAUSED:
        return f"waiting for the handler '{detail}', which is paused"
    return "waiting for its next try" if record.tries or record.reason else "waiting for its first try"


def reason(found: Found, record: Record) -> str | None:
    """Why, in words, with the reason as it is stored; None: there is none, or it is in the state's words."""
    stored = record.reason
    if stored is None or record.is_deleted or read_reason(stored)[0] is Reason.PAUSED:
        return None
    handlers = () if found.history is None else [one.handler for one in found.history.handlers]
    return f"{reason_words(stored, handlers).fact} Stored as: {stored}"


def _next_try(record: Record) -> str:
    return "" if record.next_at is None else f", not before {moment(record.next_at)}"


def handler(one: HandlerHistory, record: Record) -> str:
    """What a handler did."""
    path = "" if one.path is record.verdict.path else f" on the {one.path.value} path"
    failed = "" if not one.tries else "1 failed try" if one.tries == 1 else f"{one.tries} failed tries"
    if one.done_at is not None:
        return f"{one.handler}{path}: done on {moment(one.done_at)}" + (f", after {failed}" if failed else "")
    if one.failure is None:
        return f"{one.handler}{path}: not done" + (f", {failed}" if failed else "")
    at = "" if one.failure.at is None else f" on {moment(one.failure.at)}"
    return f"{one.handler}{path}: not done, {failed or 'no counted try'}; failed last{at} with {_failure(one)}"


def _failure(one: HandlerHistory) -> str:
    stored = "" if one.failure is None else one.failure.reason
    found = handler_reason(stored, [one.handler])
    return stored if found is None else f"{found.words} ({stored})"


def verdict(record: Record) -> str:
    """The verdict and its evidence."""
    counted = dict.fromkeys(f"{piece.source} {piece.value}" for piece in record.verdict.evidence if piece.counts)
    by = f": {', '.join(counted)}" if counted and record.verdict.path is MailPath.JUNK else ""
    released = ", released by a person" if record.released else ""
    return f"{record.verdict.path.value}{by}{released}"


def lead(findings: Findings, criteria: Criteria) -> str:
    """What the search came to, in one sentence or two."""
    if findings.found:
        alone = sum(one.sender is None for one in findings.found)
        by_journal = f" Only the journal has {thousands(alone)} of them." if alone else ""
        more = " There are more. `--limit NUMBER` shows more of them." if findings.more else ""
        return f"{counted(len(findings.found), 'message')} found.{by_journal}{more}"
    if criteria.key and not findings.looks:
        return f"No key in the journal begins with '{plain(criteria.key)}'."
    if findings.complete:
        return "No such message is in the mailbox."
    if all(look.complete for look in findings.looks):
        return "No such message is in the folders that were searched."
    return "No such message was found. It may be there anyway, because not every header was read."


def looked_at(findings: Findings) -> Iterator[str]:
    """What was looked at, a line for each folder, and what the journal was asked."""
    for look in findings.looks:
        yield f"'{plain(look.folder)}': {_folder(look, quick=findings.quick)}"
    if findings.by_hash is not None:
        yield f"The journal named {counted(findings.by_hash, 'message')} by the sender's address."
    if findings.without_sender:
        without = counted(findings.without_sender, "message")
        yield f"The journal doesn't know the sender of {without}. These were looked for in the mailbox alone."


def _folder(look: FolderLook, *, quick: bool) -> str:
    if look.unopened:
        return f"It couldn't be opened. {look.unopened}"
    if not look.messages:
        return "no messages."
    read = f"the headers of {thousands(look.read)} were read"
    if quick:
        return f"{counted(look.messages, 'message')}; {read}, where the journal has them."
    hidden = f" The server doesn't show the headers of {thousands(look.hidden)}." if look.hidden else ""
    if look.complete:
        every = "all headers were read" if look.read >= look.messages else f"all dates and {read}"
        return f"{counted(look.messages, 'message')}; {every}."
    dates = f" The dates of the newest {thousands(look.dated)} were read." if look.dated > look.read else ""
    return f"{counted(look.messages, 'message')}; {_search(look)}; {read}.{dates}{hidden}"


def _search(look: FolderLook) -> str:
    if look.refused:
        return "the server refused to search"
    if look.named is None:
        return "the server wasn't asked to search"
    return f"the server's search named {thousands(look.named)}"


def not_looked_at(findings: Findings) -> Iterator[str]:
    """What wasn't looked at, and how to have it looked at."""
    short = [look for look in findings.looks if not (look.complete or look.unopened)]
    if short and not findings.quick:
        names = ", ".join(f"'{plain(look.folder)}'" for look in short)
        yield f"Not every header in {names} was read, and a server's search can miss mail. {_MORE_HEADERS}"
    if findings.not_searched:
        names = ", ".join(f"'{name}'" for name in findings.not_searched)
        yield f"Not searched: {names}. Add `--all-folders` to search them too."
    if findings.not_compared:
        several = findings.not_compared > 1
        yield (
            f"The journal has {counted(findings.not_compared, 'more message')} that may be meant and "
            f"{'are' if several else 'is'}n't in the mailbox. Nobody can compare {'their' if several else 'its'} text. "
            f"Search by the address or the key alone to see {'them' if several else 'it'}."
        )


def moment(at: float) -> str:
    """`2026-11-27 10:05 UTC`."""
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
