"""Which alert rules hold in a given state of the worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worker.journal.size_note import Fullness
from worker.observe.alerts import EXPIRING, Rule
from worker.observe.view import LoginState, StatusView

AGAIN_AFTER = 3600.0
GROWING: Final = frozenset({Rule.DEAD_LETTERS, Rule.JUNK_OF_KNOWN_SENDER, Rule.ANOTHER_WORKER, Rule.MAILBOX_FULL})
"""Rules that are alerted again when their number has grown."""
AGAIN_EACH: Final[Mapping[Rule, float]] = {
    Rule.PAUSED: 86_400.0,
    Rule.MAILBOX_FILLING: 7 * 86_400.0,
    Rule.MAILBOX_FULL: 86_400.0,
}
"""Rules that are alerted again each time they have held for so many more seconds: people forget them."""
HOLDERS_TIME: Final = 600.0
"""Seconds that the holder of the lease has to tell of overdue polls, before a replica on standby does it instead."""
CHECKS_IN_A_ROW: Final[Mapping[Rule, int]] = {Rule.JOURNAL: 2, Rule.NOT_POLLING: 2}
"""How many checks in a row a rule must hold before it is alerted; for the others, one is enough."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds. oldest_message, paused_for: s. cooling: failed logins.

    again_after: s between alerts of a growing number.
    """

    oldest_message: float = 3600.0
    paused_for: float = 3600.0
    cooling: int = 2
    again_after: float = AGAIN_AFTER


def firing(view: StatusView, limits: Limits) -> dict[Rule, int | None]:
    """The rules that hold now, each with its number. Without the journal, the rest isn't known."""
    if not view.journal_ok:
        return {Rule.JOURNAL: None}
    login, messages = view.login, view.messages
    waiting = login.state is not LoginState.READY or view.standing_by
    percent = 0 if view.mailbox is None else view.mailbox.percent
    open_circuits = sum(circuit.open for circuit in view.circuits)
    checks: dict[Rule, tuple[bool, int | None]] = {
        Rule.HALTED: (login.state is LoginState.HALTED, login.failures),
        Rule.COOLING_TWICE: (login.failures >= limits.cooling, login.failures),
        **{EXPIRING[one.thing]: (one.due is not None, one.days_left) for one in view.expiries},
        Rule.NOT_POLLING: (view.overdue and not waiting, int(view.look_age or 0)),
        Rule.PAUSED: (view.paused_seconds > limits.paused_for, view.paused_seconds),
        Rule.OLDEST_MESSAGE: (messages.oldest_pending_seconds > limits.oldest_message, messages.oldest_pending_seconds),
        Rule.DEAD_LETTERS: (messages.failed > 0, messages.failed),
        Rule.JUNK_OF_KNOWN_SENDER: (view.junk_of_known_senders > 0, view.junk_of_known_senders),
        Rule.ANOTHER_WORKER: (view.unexplained > 0, view.unexplained),
        Rule.MAILBOX_FILLING: (view.fullness is not Fullness.FINE, percent),
        Rule.MAILBOX_FULL: (view.fullness is Fullness.FULL, percent),
        Rule.HANDLER_FAILING: (open_circuits > 0, open_circuits),
        Rule.HANDLERS_STUCK: (view.stuck > 0, view.stuck),
    }
    return {rule: number for rule, (holds, number) in checks.items() if holds}


def warnings_due(view: StatusView) -> dict[Rule, tuple[float, int]]:
    """Of the rules about what expires: its end (epoch s), and the warning that is due. Each is alerted once."""
    return {
        EXPIRING[one.thing]: (one.expires_at.timestamp(), one.due)
        for one in view.expiries
        if one.expires_at is not None and one.due is not None
    }


def firing_on_standby(view: StatusView) -> dict[Rule, int | None]:
    """The rules that a replica on standby tells of: that the holder of the lease doesn't poll, and hasn't said so.

    The holder may hang, be a command that a person forgot, or have nobody to tell.
    """
    age = view.look_age or 0.0
    late = view.journal_ok and view.login.state is LoginState.READY and age > view.overdue_after + HOLDERS_TIME
    return {Rule.NOT_POLLING: int(age)} if late and view.overdue else {}


def named_by(rule: Rule, view: StatusView) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The handlers and the keys that an alert of this rule speaks of: the first few."""
    match rule:
        case Rule.HANDLER_FAILING:
            return tuple(circuit.handler for circuit in view.circuits if circuit.open), ()
        case Rule.HANDLERS_STUCK:
            return view.named.stuck_handlers, view.named.stuck_keys
        case Rule.DEAD_LETTERS:
            return (), tuple(item.key for item in view.dead_letters)
        case Rule.JUNK_OF_KNOWN_SENDER:
            return (), view.named.known_junk
        case Rule.OLDEST_MESSAGE:
            return (), view.named.oldest_pending[:1]
    return (), ()
