"""Which alert rules hold in a given state of the worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from worker.observe.alerts import Rule
from worker.observe.view import LoginState, StatusView

AGAIN_AFTER = 3600.0
GROWING: Final = frozenset({Rule.DEAD_LETTERS, Rule.JUNK_OF_KNOWN_SENDER})
"""Rules that are alerted again when their number has grown."""
CHECKS_IN_A_ROW: Final[Mapping[Rule, int]] = {Rule.JOURNAL: 2, Rule.NOT_POLLING: 2}
"""How many checks in a row a rule must hold before it is alerted; for the others, one is enough."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds. oldest_message: s. cooling: failed logins. again_after: s between alerts of a growing number."""

    oldest_message: float = 3600.0
    cooling: int = 2
    again_after: float = AGAIN_AFTER


def firing(view: StatusView, limits: Limits) -> dict[Rule, int | None]:
    """The rules that hold now, each with its number. Without the journal, the rest isn't known."""
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
