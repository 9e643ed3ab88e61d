"""Alerts: which states a person is told of, told once each, and again when they are over.

An alert is made of a rule, a number and a time: there is nowhere in it to put content, as neither a webhook nor the
relay is for patient data (policy text, 'Authentication policy': alerts go through the relay, mail with patient data
doesn't). What it says in words is fixed here.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from worker.logs.log import get_logger
from worker.logs.redaction import WORD, rfc3339
from worker.observe.phrases import count, has, span
from worker.observe.view import LoginState, StatusView

log = get_logger()

AGAIN_AFTER = 3600.0
_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,190}")


class Rule(StrEnum):
    """What a person is told of."""

    HALTED = "halted"
    COOLING_TWICE = "cooling-twice"
    PASSWORD_EXPIRING = "password-expiring"  # noqa: S105 -- the name of a rule
    NOT_POLLING = "not-polling"
    OLDEST_MESSAGE = "oldest-message"
    DEAD_LETTERS = "dead-letters"
    JUNK_OF_KNOWN_SENDER = "junk-of-known-sender"
    HANDLER_FAILING = "handler-failing"
    HANDLERS_STUCK = "handlers-stuck"
    JOURNAL = "journal"


class Phase(StrEnum):
    """Whether it began, or is over."""

    FIRING = "firing"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing to tell. It can't hold content: words are from lists, the rest is a number, a time and our own address.

    number: how many, or how long (s, or days for the password); None: there is no number to it.

    Raises (on creation):
        TypeError: something else was put in.
    """

    rule: Rule
    phase: Phase
    account: str
    at: datetime
    number: int | None = None

    def __post_init__(self) -> None:
        kinds = (
            type(self.rule) is Rule
            and type(self.phase) is Phase
            and type(self.at) is datetime
            and (self.number is None or type(self.number) is int)
        )
        if not kinds or type(self.account) is not str or not _ADDRESS.fullmatch(self.account):
            raise TypeError("an alert is a rule, a phase, the account's address, a time and a number")

    @property
    def title(self) -> str:
        """One line."""
        over = "Over: " if self.phase is Phase.RESOLVED else ""
        return f"{over}{_WORDS[self.rule].title}"

    @property
    def text(self) -> str:
        """What it means for the mail, in a sentence or two."""
        words = _WORDS[self.rule]
        return words.over if self.phase is Phase.RESOLVED else words.text(self.number or 0)

    @property
    def do(self) -> str:
        """What to do next; empty when it is over."""
        return "" if self.phase is Phase.RESOLVED else _WORDS[self.rule].do


@dataclass(frozen=True, slots=True)
class _Words:
    title: str
    text: Callable[[int], str]
    do: str
    over: str


_WORDS: Final[Mapping[Rule, _Words]] = {
    Rule.HALTED: _Words(
        "Halted: no more logins",
        lambda number: f"After {count(number, 'failed login')} the worker makes no more. Mail waits in the mailbox.",
        "Read the status page: it says whether the password, the account or the set-up has to be changed. "
        "Don't restart the worker.",
        "The worker logs in again.",
    ),
    Rule.COOLING_TWICE: _Words(
        "Logins are failing",
        lambda number: f"{count(number, 'login')} in a row failed; the worker waits longer before each next one.",
        "Check that the password which the worker reads is the account's present one, before it halts.",
        "A login succeeded.",
    ),
    Rule.PASSWORD_EXPIRING: _Words(
        "The password expires soon",
        lambda number: (
            "The password has expired." if number < 0 else f"The password expires in {count(number, 'day')}."
        ),
        "Change it, and put the new one where the worker reads it.",
        "The password was changed.",
    ),
    Rule.NOT_POLLING: _Words(
        "The mailbox isn't being read",
        lambda number: f"The last good poll was {span(number)} ago. Mail waits in the mailbox.",
        "Look at the network, and at the mail service's own status; then at the worker's log.",
        "The mailbox is being read again.",
    ),
    Rule.OLDEST_MESSAGE: _Words(
        "A message has been waiting too long",
        lambda number: f"The oldest message that isn't done has been waiting for {span(number)}.",
        "Look at the status page: is a handler failing, or is there more mail than the handlers can take?",
        "No message is waiting too long any more.",
    ),
    Rule.DEAD_LETTERS: _Words(
        "Messages were given up on",
        lambda number: f"There are {count(number, 'dead letter')}, kept whole and waiting for a person.",
        "Run `nhsmail-worker failed list`.",
        "There are no dead letters any more.",
    ),
    Rule.JUNK_OF_KNOWN_SENDER: _Words(
        "Junk from a known sender",
        lambda number: f"{count(number, 'message')} on the junk path came from senders whose mail was handled before.",
        "Run `nhsmail-worker junk list`, and `junk release` what is no junk.",
        "All junk from known senders has been looked at.",
    ),
    Rule.HANDLER_FAILING: _Words(
        "A handler keeps failing",
        lambda number: f"{count(number, 'handler')} failed so often that mail for it waits.",
        "Look at the status page for its name, and at what it talks to.",
        "All handlers work again.",
    ),
    Rule.HANDLERS_STUCK: _Words(
        "A handler doesn't return",
        lambda number: (
            f"{count(number, 'handler call')} {has(number)} not returned for too long; "
            f"{'its message waits' if number == 1 else 'their messages wait'}."
        ),
        "Look at what the handler talks to. With all threads stuck the engine restarts the worker.",
        "No handler call is stuck any more.",
    ),
    Rule.JOURNAL: _Words(
        "The journal can't be used",
        lambda _number: "The worker can't read or write its journal: it takes no mail, and makes no login.",
        "Free the disk of the state folder, or bring the database back.",
        "The journal can be used again.",
    ),
}
_GROWING: Final = frozenset({Rule.DEAD_LETTERS, Rule.JUNK_OF_KNOWN_SENDER})
_CHECKS_IN_A_ROW: Final = {Rule.JOURNAL: 2, Rule.NOT_POLLING: 2}
_WAITS: Final = (0.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds before a way out that failed once, twice, … in a row is tried again; the last repeats."""


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on something is an alert. oldest_message: s. again_after: s between alerts of a number that grows."""

    oldest_message: float = 3600.0
    cooling: int = 2
    again_after: float = AGAIN_AFTER


def firing(view: StatusView, limits: Limits) -> dict[Rule, int | None]:
    """The rules that hold now, each with its number. With the journal lost the rest isn't known, and isn't said."""
    if not view.journal_ok:
        return {Rule.JOURNAL: None}
    login, messages, days = view.login, view.messages, view.password.days_left
    waiting = login.state is not LoginState.READY or view.paused or view.standing_by
    open_circuits = sum(circuit.open for circuit in view.circuits)
    checks: dict[Rule, tuple[bool, int | None]] = {
        Rule.HALTED: (login.state is LoginState.HALTED, login.failures),
        Rule.COOLING_TWICE: (login.failures >= limits.cooling, login.failures),
        Rule.PASSWORD_EXPIRING: (days is not None and days <= view.password_warn_days, days),
        Rule.NOT_POLLING: (view.overdue and not waiting, int(view.good_poll_age or 0)),
        Rule.OLDEST_MESSAGE: (messages.oldest_pending_seconds > limits.oldest_message, messages.oldest_pending_seconds),
        Rule.DEAD_LETTERS: (messages.failed > 0, messages.failed),
        Rule.JUNK_OF_KNOWN_SENDER: (view.junk_of_known_senders > 0, view.junk_of_known_senders),
        Rule.HANDLER_FAILING: (open_circuits > 0, open_circuits),
        Rule.HANDLERS_STUCK: (view.stuck > 0, view.stuck),
    }
    return {rule: number for rule, (holds, number) in checks.items() if holds}


class NotSent(Exception):
    """An alert could not be delivered. status: the receiver's answer, where there was one."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__("not sent" if status is None else f"not sent: status {status}")
        self.status = status


News = TypeVar("News", contravariant=True)


class SenderOf(Protocol[News]):
    """A way out."""

    name: str
    """A word, the same over restarts."""

    def send(self, news: News, /) -> None:
        """Deliver it, within seconds. Raises `NotSent`."""


Sender = SenderOf[Alert]


class Memory(Protocol):
    """Remembers over restarts what was told: one short text. Both may raise."""

    def load(self) -> str | None:
        """What was stored last."""

    def store(self, text: str) -> None:
        """Keep this instead."""


@dataclass(slots=True)
class _Told:
    number: int
    at: float


@dataclass(slots=True)
class _Rest:
    failed_at: float
    failures: int

    def lasts(self, now: float) -> bool:
        """Whether its way out is left alone for now. A clock that was set back ends it."""
        return 0 <= now - self.failed_at < _WAITS[min(self.failures, len(_WAITS)) - 1]


class Alerter:
    """Tells each sender of what begins and what is over. `check` belongs in a job of its own: senders take seconds.

    A sender that fails is left alone for longer and longer, up to ten minutes: whatever it did with what it failed to
    confirm, people aren't to get it every half minute.
    """

    def __init__(
        self,
        senders: Sequence[Sender],
        *,
        memory: Memory,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._senders = senders
        self._memory = memory
        self._limits = limits or Limits()
        self._clock = clock
        self._told: dict[str, dict[Rule, _Told]] | None = None
        self._held: dict[Rule, int] = {}
        self._rests: dict[str, _Rest] = {}

    def check(self, view: StatusView) -> None:
        """Compare the state with what was told, and tell the difference. A replica that stands by tells nothing."""
        if view.standing_by:
            self._told, self._held = None, {}  # the other replica tells now, and remembers it
            return
        if not self._senders:
            return
        now = self._lasting(firing(view, self._limits))
        if self._told is None:
            self._told = self._recalled()
        before = self._as_text()
        for sender in self._senders:
            self._tell(sender, view, now, self._told.setdefault(sender.name, {}))
        if (after := self._as_text()) != before:
            self._remember(after)

    def _lasting(self, found: dict[Rule, int | None]) -> dict[Rule, int | None]:
        self._held = {rule: self._held.get(rule, 0) + 1 for rule in found}
        return {rule: number for rule, number in found.items() if self._held[rule] >= _CHECKS_IN_A_ROW.get(rule, 1)}

    def _tell(self, sender: Sender, view: StatusView, now: dict[Rule, int | None], told: dict[Rule, _Told]) -> None:
        rest = self._rests.get(sender.name)
        if rest is not None and rest.lasts(self._clock()):
            return
        at = datetime.fromtimestamp(self._clock(), UTC)
        for rule, number in now.items():
            if self._is_news(rule, number, told.get(rule)):
                if not self._sent(sender, Alert(rule, Phase.FIRING, view.account, at, number)):
                    return  # the same trouble would meet the next one
                told[rule] = _Told(number or 0, self._clock())
        # With the journal lost, nothing else is known to be over.
        over = [rule for rule in told if rule not in now and rule not in self._held and view.journal_ok]
        for rule in over:
            if not self._sent(sender, Alert(rule, Phase.RESOLVED, view.account, at)):
                return
            del told[rule]

    def _sent(self, sender: Sender, alert: Alert) -> bool:
        if sent(sender, alert, rule=alert.rule.value, state=alert.phase.value):
            self._rests.pop(sender.name, None)
            return True
        before = self._rests.get(sender.name)
        self._rests[sender.name] = _Rest(self._clock(), 1 if before is None else before.failures + 1)
        return False

    def _is_news(self, rule: Rule, number: int | None, told: _Told | None) -> bool:
        if told is None:
            return True
        told.number = min(told.number, number or 0)  # what was seen to and comes again is news again
        grown = rule in _GROWING and (number or 0) > told.number
        return grown and self._clock() - told.at >= self._limits.again_after

    def _recalled(self) -> dict[str, dict[Rule, _Told]]:
        try:
            stored = json.loads(self._memory.load() or "{}")
            return {
                sender: {Rule(rule): _Told(int(number), float(at)) for rule, (number, at) in rules.items()}
                for sender, rules in stored.items()
            }
        except Exception:  # noqa: BLE001 -- told twice is better than not told
            return {}

    def _as_text(self) -> str:
        told = self._told or {}
        return json.dumps(
            {sender: {rule: (was.number, was.at) for rule, was in rules.items()} for sender, rules in told.items()}
        )

    def _remember(self, text: str) -> None:
        try:
            self._memory.store(text)
        except Exception:  # the journal may be what the alert is about
            log.warning("alert.not_remembered", exc_info=True)


def sent(sender: SenderOf[News], news: News, *, rule: str, state: str) -> bool:
    """Whether this way out took it; the log says so. Never raises: a fault in one must not end the thread that tells.

    rule, state: what the log calls it.
    """
    name = sender.name if WORD.fullmatch(sender.name) else "unnamed"
    try:
        sender.send(news)
    except NotSent as error:
        log.warning("alert.not_sent", rule=rule, state=state, sender=name, status=error.status)
        return False
    except Exception:  # whatever it is, of a library's or ours
        log.warning("alert.not_sent", rule=rule, state=state, sender=name, exc_info=True)
        return False
    log.info("alert.sent", rule=rule, state=state, sender=name)
    return True


def as_json(alert: Alert) -> dict[str, object]:
    """The plain form: what a webhook of the kind `json` is sent."""
    return {
        "rule": alert.rule.value,
        "state": alert.phase.value,
        "account": alert.account,
        "at": rfc3339(alert.at),
        "number": alert.number,
        "title": alert.title,
        "text": alert.text,
        "do": alert.do,
    }
