"""The lists that commands print, row by row: junk, dead letters, a dry run, the audit trail."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.cli.list_printing import Form, Listing, Row, day_and_time, print_note, print_rows
from worker.logs.counted import agreeing, counted
from worker.message.outcome import State

if TYPE_CHECKING:
    from worker.commands.lists import Expected, Retryable, Reviewed
    from worker.commands.shown import Listed

ABSENT = "(not where it was put)"
"""In place of the sender of a message that somebody has moved or deleted."""
SAMPLE = 5
"""Messages that a person sees of those that a command is about to change."""
_SHORT = 8
"""Characters of a key that the audit trail's list shows."""
_TITLES = ("received (UTC)", "key", "why", "from", "subject")
_COLUMNS = ("received_at", "key", "from", "subject", "reason")
_AUDIT = ("at", "kind", "who", "key", "fields", "words", "chain", "n")


def print_review(found: "Reviewed", state: State, form: Form) -> None:
    """Print junk or dead letters, and how many more there are."""
    more = ("known",) if state is State.JUNK else ("handler", "tries")
    rows = [_of_message(item, found, more) for item in found.items]
    print_rows(Listing(_TITLES, (*_COLUMNS, *more), rows), form)
    said = [counted(len(rows), "message") + "."]
    if state is State.JUNK and any(item.known for item in found.items):
        said.append("* marks mail from known senders.")
    if found.older:
        older = f"{counted(found.older, 'older message')} {agreeing(found.older, 'is', 'are')} not"
        said.append(f"{older} shown: `--limit {len(rows) + found.older}` shows all.")
    if found.unread:
        older = f"{counted(found.unread, 'older message')} {agreeing(found.unread, 'was', 'were')} not"
        said.append(f"{older} searched: a higher `--limit` searches more.")
    if form is Form.TABLE or found.older or found.unread:
        print_note(" ".join(said), form)


def sample_of(found: "Retryable") -> Listing:
    """A few of the messages that are about to be tried again."""
    rows = [
        Row(
            day_and_time(item.received_at),
            found.short[item.key],
            item.reason,
            item.sender or "",
            item.subject or "",
            {},
        )
        for item in found.items[:SAMPLE]
    ]
    titles = _TITLES if any(row.who or row.what for row in rows) else (*_TITLES[:3], "", "")
    return Listing(titles, (), rows)


def print_expected(found: Sequence["Expected"], short: Mapping[str, str], form: Form) -> None:
    """Print what each message would come to."""
    rows = [
        Row(
            day_and_time(one.received_at),
            short.get(one.foreseen.key, "-"),
            one.foreseen.outcome,
            one.sender,
            one.subject,
            {
                "received_at": one.received_at,
                "key": one.foreseen.key or None,
                "from": one.sender,
                "subject": one.subject,
                "outcome": one.foreseen.outcome,
                "path": None if one.foreseen.path is None else one.foreseen.path.value,
                "routes": list(one.foreseen.routes),
                "handlers": list(one.foreseen.handlers),
            },
        )
        for one in found
    ]
    columns = ("received_at", "key", "from", "subject", "outcome", "path", "routes", "handlers")
    print_rows(Listing((*_TITLES[:2], "would come to", *_TITLES[3:]), columns, rows), form)
    if form is Form.TABLE:
        print_note(f"{counted(len(rows), 'message')}. Nothing was handed over, recorded or moved.", form)


def print_trail(entries: Iterable[Mapping[str, Any]], form: Form) -> None:
    """Print lines of the audit trail. Nothing of a line is cut."""
    titles = ("at (UTC)", "key", "event", "who", "details")
    print_rows(Listing(titles, _AUDIT, map(_of_entry, entries), whole=True), form)


def _of_message(item: "Listed", found: "Reviewed", more: Sequence[str]) -> Row:
    sender = ABSENT if item.sender is None else item.sender
    extra: dict[str, object] = {
        "known": item.known,
        "handler": found.handlers.get(item.key),
        "tries": item.tries,
    }
    return Row(
        day_and_time(item.received_at),
        found.short[item.key] + ("*" if item.known else ""),
        item.reason,
        sender,
        item.subject or "",
        {
            "received_at": item.received_at,
            "key": item.key,
            "from": item.sender,
            "subject": item.subject,
            "reason": item.reason,
            **{name: extra[name] for name in more},
        },
        further={"from": sender},
    )


def _of_entry(entry: Mapping[str, Any]) -> Row:
    """A line of the trail. Whoever tampered with the trail may have put anything into it."""
    texts = {name: str(entry.get(name) or "") for name in _AUDIT}
    others = {name: value for name, value in entry.items() if name not in _AUDIT}
    fields = " ".join(f"{name}={value}" for name, value in others.items())
    key, hyphen, number = texts["key"].partition("-")
    return Row(
        texts["at"].replace("T", " ")[:19],
        f"{key[:_SHORT]}{hyphen}{number}",
        texts["kind"],
        texts["who"],
        " ".join(part for part in (fields, f"“{texts['words']}”" if texts["words"] else "") if part),
        fields=entry,
        further={"fields": fields},
    )
