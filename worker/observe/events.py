"""The catalogue of events: every line that the log can hold, what it means, and what to do about it.

It decides an event's level and the fields that may leave with it, and the documentation is made from it
(`python -m worker.observe > docs/events.md`).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.observe.redact import CONTEXT, FIELDS

NAME: Final = re.compile(r"[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)+")


class Level(StrEnum):
    """How urgent an event is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of line in the log.

    name: dotted, the room first. meaning: what has happened. do: what a person does about it; empty: nothing.
    fields: what may go with it, besides what is bound around it.
    """

    name: str
    level: Level
    meaning: str
    do: str = ""
    fields: frozenset[str] = frozenset()


def _event(name: str, level: str, fields: str, meaning: str, do: str = "") -> Event:
    return Event(name, Level(level), meaning, do, frozenset(fields.split()))


_EVENTS = (
    # the log itself
    _event(
        "log.unlisted",
        "warning",
        "where",
        "Something was logged under a name that isn't in the catalogue; its text was dropped.",
        "Nothing is wrong with the mail. Report it: it is a fault of the worker.",
    ),
    _event(
        "library.warning",
        "warning",
        "library where template",
        "A library that the worker uses logged a warning; only its place in the source is kept.",
        "Nothing, unless it comes often and beside other trouble.",
    ),
    _event(
        "library.error",
        "error",
        "library where template",
        "A library that the worker uses logged an error; only its place in the source is kept.",
        "Look at the worker's own events around it: they say what it means for the mail.",
    ),
    _event(
        "python.warning",
        "warning",
        "category where",
        "Python warned about a piece of code; its text was dropped.",
        "Nothing now; mention it when you report a fault.",
    ),
    _event(
        "worker.crashed",
        "error",
        "",
        "The process ends because of an error that nothing caught. No message is lost.",
        "Let it restart; when it happens again, report the frames in this line.",
    ),
    _event(
        "worker.thread_died",
        "error",
        "",
        "A thread ended because of an error that nothing caught.",
        "Watch /livez: it fails when a restart is needed. Report the frames in this line.",
    ),
    _event(
        "worker.unraisable",
        "warning",
        "",
        "An error came up while something was being cleaned away; it had no effect.",
        "Nothing; mention it when you report a fault.",
    ),
    # the audit trail
    _event(
        "audit.unanchored",
        "warning",
        "chain",
        "An audit line was written, but its place in the chain could not be recorded in the journal.",
        "Look for trouble with the journal. The next line that is anchored covers this one.",
    ),
    _event(
        "audit.repaired",
        "warning",
        "chain bytes",
        "The audit trail ended in half a line, left by a sudden stop; the half line was cut off and this was recorded.",
        "Nothing, if the machine or the process stopped suddenly before. Otherwise run `audit verify`.",
    ),
    _event(
        "audit.broken",
        "error",
        "chain reason",
        "The audit trail isn't as the worker left it: its end or its key is missing. It goes on from the anchor.",
        "Run `audit verify`, find out who had access to the state folder, and tell the information governance lead.",
    ),
    _event(
        "audit.mirror_failed",
        "warning",
        "",
        "An audit line was written to the trail, but its copy could not be sent on.",
        "Look at the syslog service. The trail itself is whole.",
    ),
    # probes, metrics and page
    _event("http.listening", "info", "host port", "Probes, metrics and the status page are served."),
    _event(
        "http.failed",
        "error",
        "url_path",
        "A page of ours could not be made; the answer was 500.",
        "The mail goes on. Report the frames in this line.",
    ),
    _event(
        "http.status_unreadable",
        "warning",
        "",
        "The status could not be read from the journal; page and metrics show the last known one.",
        "Look for trouble with the journal.",
    ),
    # alerts
    _event("alert.sent", "info", "rule state sender", "An alert, or the end of one, was delivered."),
    _event(
        "alert.not_sent",
        "warning",
        "rule state sender status",
        "An alert could not be delivered this way; it is tried again at the next check.",
        "Look at the webhook or the relay. Meanwhile look at the status page yourself.",
    ),
)

CATALOGUE: Final = {event.name: event for event in _EVENTS}


def markdown() -> str:
    """The catalogue as a page of the documentation."""
    head = (
        "# Events\n\nEvery line of the log has `at`, `level` and `event`; the fields of each event are listed with it. "
        "An error is given by its class and the lines of code it came through (`error`), never by its text. "
        "Fields that are not in this list, and values that don't have their field's form, are replaced by "
        "`<refused>` or named under `dropped`.\n"
    )
    parts = [head]
    parts += [_section(level) for level in (Level.ERROR, Level.WARNING, Level.INFO, Level.DEBUG)]
    named = {name for event in _EVENTS for name in event.fields} | CONTEXT
    rows = [f"| `{name}` | {FIELDS[name][1]} |" for name in sorted(named)]
    parts.append("## Fields\n\n| field | meaning |\n|---|---|\n" + "\n".join(rows) + "\n")
    return "\n".join(part for part in parts if part)


def _section(level: Level) -> str:
    events = sorted((event for event in _EVENTS if event.level is level), key=lambda event: event.name)
    if not events:
        return ""
    return f"## Level {level}\n\n" + "\n".join(_entry(event) for event in events)


def _entry(event: Event) -> str:
    fields = ", ".join(f"`{name}`" for name in sorted(event.fields))
    lines = [
        f"### `{event.name}`\n",
        event.meaning,
        f"\nWhat to do: {event.do}" if event.do else "",
        f"\nFields: {fields}." if fields else "",
    ]
    return "\n".join(line for line in lines if line) + "\n"
