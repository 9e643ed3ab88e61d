"""Alerts: what a person is told, in words that are fixed here.

An alert is made of a rule, a number, a time, and the handlers and keys that it speaks of. It has no field for content,
because neither a webhook nor the relay
may carry patient data (policy text, 'Authentication policy': alerts go through the relay, mail with patient data
doesn't).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final

from worker.login.expiry import TABLE, Thing, sentence
from worker.logs.counted import counted
from worker.logs.fields import KEY
from worker.logs.redaction import rfc3339
from worker.logs.typed import as_typed
from worker.observe.humanise import has, span
from worker.observe.size_words import ASK, BOUNCES, FREE, PAST

_HANDLER: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
MOST_NAMED: Final = 5
"""So many handlers, and so many keys, an alert names."""
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")


class Rule(StrEnum):
    """What a person is told of."""

    HALTED = "halted"
    COOLING_TWICE = "cooling-twice"
    PASSWORD_EXPIRING = "password-expiring"  # noqa: S105 -- the name of a rule
    PUBLIC_CLIENT_PASSWORD_EXPIRING = "public-client-password-expiring"  # noqa: S105 -- the name of a rule
    CONFIDENTIAL_CLIENT_PASSWORD_EXPIRING = "confidential-client-password-expiring"  # noqa: S105 -- the name of a rule
    CLIENT_SECRET_EXPIRING = "client-secret-expiring"  # noqa: S105 -- the name of a rule
    CLIENT_CERTIFICATE_EXPIRING = "client-certificate-expiring"
    REFRESH_TOKEN_EXPIRING = "refresh-token-expiring"  # noqa: S105 -- the name of a rule
    NOT_POLLING = "not-polling"
    PAUSED = "paused"
    OLDEST_MESSAGE = "oldest-message"
    DEAD_LETTERS = "dead-letters"
    JUNK_OF_KNOWN_SENDER = "junk-of-known-sender"
    ANOTHER_WORKER = "another-worker"
    MAILBOX_FILLING = "mailbox-filling"
    MAILBOX_FULL = "mailbox-full"
    HANDLER_FAILING = "handler-failing"
    HANDLERS_STUCK = "handlers-stuck"
    JOURNAL = "journal"


_OF_HANDLERS: Final = frozenset({Rule.HANDLER_FAILING, Rule.HANDLERS_STUCK})


class Phase(StrEnum):
    """Whether the condition has begun or is over."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. It can't hold content: its words are from lists; the rest is a number, a time and our own address.

    number: how many, how much (%), or how long (s, or days for what expires); None: the rule has no number.
    handlers, keys: of whom it speaks; at most `MOST_NAMED` are told.

    Raises (on creation):
        TypeError: a field holds something else.
    """

    rule: Rule
    phase: Phase
    account: str
    at: datetime
    number: int | None = None
    handlers: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        kinds = (
            type(self.rule) is Rule
            and type(self.phase) is Phase
            and type(self.at) is datetime
            and (self.number is None or type(self.number) is int)
            and all(type(name) is str and _HANDLER.fullmatch(name) for name in self.handlers)
            and all(type(key) is str and KEY.fullmatch(key) for key in self.keys)
        )
        if not kinds or type(self.account) is not str or not _ADDRESS.fullmatch(self.account):
            raise TypeError("an alert is a rule, a phase, the account's address, a time, a number, and our own names")

    @property
    def title(self) -> str:
        """One line."""
        over = "Over: " if self.phase is Phase.RESOLVED else ""
        return f"{over}{_WORDS[self.rule].title}"

    @property
    def text(self) -> str:
        """What it means for the mail, in a sentence or two."""
        words = _WORDS[self.rule]
        if self.phase is Phase.RESOLVED:
            return words.over
        number = self.number or 0
        about = len(self.handlers) if self.rule in _OF_HANDLERS else number
        named = (_named("Handler", self.handlers, about), _named("Key", self.keys, max(number, len(self.keys))))
        return " ".join((words.text(number), *(text for text in named if text)))

    @property
    def do(self) -> str:
        """What to do next; empty when it is over."""
        return "" if self.phase is Phase.RESOLVED else as_typed(_WORDS[self.rule].do)


@dataclass(frozen=True, slots=True)
class _Words:
    title: str
    text: Callable[[int], str]
    do: str
    over: str


EXPIRING: Final[Mapping[Thing, Rule]] = {thing: Rule(f"{thing}-expiring") for thing in Thing}
"""The rule of each thing that expires."""


def _expiring(thing: Thing) -> _Words:
    row = TABLE[thing]
    text = partial(sentence, thing)
    return _Words(f"{row.noun} expires soon", text, row.do, row.over)


_WORDS: Final[Mapping[Rule, _Words]] = {
    Rule.HALTED: _Words(
        "Halted: no more logins",
        lambda number: f"After {counted(number, 'failed login')} the worker makes no more. Mail waits in the mailbox.",
        "Read the status page: it says whether the password, the account or the set-up must be changed. Don't "
        "restart the worker.",
        "The worker logs in again.",
    ),
    Rule.COOLING_TWICE: _Words(
        "Logins are failing",
        lambda number: f"{counted(number, 'login')} in a row failed. The worker waits longer before each new attempt.",
        "Before the worker halts, check that it reads the account's present password.",
        "A login succeeded.",
    ),
    **{EXPIRING[thing]: _expiring(thing) for thing in Thing},
    Rule.NOT_POLLING: _Words(
        "The mailbox isn't being read",
        lambda number: f"The last good poll was {span(number)} ago. Mail waits in the mailbox.",
        "Check the network and the mail service's own status page, then the worker's log.",
        "The mailbox is being read again.",
    ),
    Rule.PAUSED: _Words(
        "The work is paused",
        lambda number: (
            f"Somebody paused the work {span(number)} ago, and it hasn't been resumed. Mail waits in the mailbox."
        ),
        "Read the status page: it says who paused the worker and why, how much mail has arrived, and how to end the "
        "pause.",
        "The work is no longer paused.",
    ),
    Rule.OLDEST_MESSAGE: _Words(
        "A message has been waiting too long",
        lambda number: f"The oldest unfinished message has been waiting for {span(number)}.",
        "Look at the status page: is a handler failing, or is there too much mail for the handlers?",
        "No message is waiting too long now.",
    ),
    Rule.DEAD_LETTERS: _Words(
        "The worker gave up on messages",
        lambda number: (
            f"{counted(number, 'dead letter')} {'waits' if number == 1 else 'wait'} for a person, kept whole."
        ),
        "Run `nhsmail-worker failed show KEY`: it says why, and what to do. `nhsmail-worker failed list` shows all.",
        "No dead letters are left.",
    ),
    Rule.JUNK_OF_KNOWN_SENDER: _Words(
        "Junk from a known sender",
        lambda number: (
            f"{counted(number, 'message')} on the junk path came from senders whose mail was handled before."
        ),
        "Run `nhsmail-worker junk list`, and release what isn't junk with `nhsmail-worker junk release`.",
        "Somebody has reviewed all junk from known senders.",
    ),
    Rule.ANOTHER_WORKER: _Words(
        "Another worker?",
        lambda number: (
            f"{counted(number, 'message')} in the folder of handled mail {has(number)} not been put there by this "
            "worker. Another worker may be working on the mailbox. It would spend login attempts of the same "
            "account."
        ),
        "Find the other worker, and stop one of the two. If a person moved the mail, acknowledge it: "
        '`nhsmail-worker reconcile --acknowledge --reason "…"`.',
        "The mail was acknowledged, or is no longer there.",
    ),
    Rule.MAILBOX_FILLING: _Words(
        "The mailbox is filling",
        lambda number: f"The mailbox is {number} % full. {BOUNCES}",
        f"{FREE} {ASK} The status page says how many days are left.",
        "The mailbox has room again.",
    ),
    Rule.MAILBOX_FULL: _Words(
        "The mailbox is full, or nearly",
        lambda number: (
            f"The mailbox is {number} % full. "
            f"{'Senders are getting their mail back now. ' if number >= 100 else ''}{BOUNCES}"
        ),
        f"Make room today. {FREE} {ASK} {PAST}",
        "The mailbox is no longer full.",
    ),
    Rule.HANDLER_FAILING: _Words(
        "A handler keeps failing",
        lambda number: f"{counted(number, 'handler')} can't start, or failed too often. Mail for it waits.",
        "Check the system behind it. The log's lines `handler.failed` say how it fails.",
        "All handlers work again.",
    ),
    Rule.HANDLERS_STUCK: _Words(
        "A handler doesn't return",
        lambda number: (
            f"{counted(number, 'handler call')} {has(number)} not returned for too long: "
            f"{'its message waits' if number == 1 else 'their messages wait'}."
        ),
        "Check the system behind the handler. If all threads are stuck, `/livez` fails and the container engine "
        "restarts the worker.",
        "No handler call is stuck now.",
    ),
    Rule.JOURNAL: _Words(
        "The journal can't be used",
        lambda _number: "The worker can't read or write its journal: it takes no mail, and doesn't log in.",
        "Free space on the disk of the state folder, or restart the database.",
        "The journal can be used again.",
    ),
}


def _named(what: str, names: tuple[str, ...], of: int) -> str:
    """`Keys: a, b, and 3 more.`; empty without names. of: how many there are in all."""
    if not names:
        return ""
    shown = names[:MOST_NAMED]
    more = max(of, len(names)) - len(shown)
    return f"{what}{'s' if len(shown) + more > 1 else ''}: {', '.join(shown)}{f', and {more} more' if more else ''}."


def as_json(alert: Alert) -> dict[str, object]:
    """The alert as a webhook of the kind `json` receives it."""
    return {
        "rule": alert.rule.value,
        "state": alert.phase.value,
        "account": alert.account,
        "at": rfc3339(alert.at),
        "number": alert.number,
        "handlers": list(alert.handlers[:MOST_NAMED]),
        "keys": list(alert.keys[:MOST_NAMED]),
        "title": alert.title,
        "text": alert.text,
        "do": alert.do,
    }
