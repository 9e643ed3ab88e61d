"""The worker's metrics, for Prometheus. The values of labels are words from the configuration, or our own.

Events are counted as they happen, each by a method. States are read from the `StatusView` at each scrape, so that ages
are right even when nothing happens any more.
"""

import math
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from worker.observe.view import LoginState, StatusView

HANDLER_BUCKETS: Final = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900)
POLL_BUCKETS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800)
STATES: Final = ("pending", "handled", "junk", "failed", "gone")


class Metrics:
    """All metrics, in a registry of their own. Safe between threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._count_things()
        self._login_gauges()
        self._mail_gauges()

    def _count_things(self) -> None:
        of = self.registry
        self._attempts = Counter(
            "nhsmail_login_attempts", "Credentials sent to the server, by what came of it.", ["outcome"], registry=of
        )
        self._polls = Counter("nhsmail_polls", "Polls, by what came of them.", ["outcome"], registry=of)
        self._poll_seconds = Histogram(
            "nhsmail_poll_seconds", "How long a poll took, work included.", buckets=POLL_BUCKETS, registry=of
        )
        self._outcomes = Counter(
            "nhsmail_message_outcomes", "What tries at messages came to.", ["path", "outcome"], registry=of
        )
        self._junk = Counter(
            "nhsmail_junk", "Messages judged junk, by the source of the evidence that counted.", ["source"], registry=of
        )
        self._handler_seconds = Histogram(
            "nhsmail_handler_seconds",
            "How long a handler took for a message.",
            ["handler"],
            buckets=HANDLER_BUCKETS,
            registry=of,
        )
        self._handler_results = Counter(
            "nhsmail_handler_results", "What handlers came to.", ["handler", "outcome"], registry=of
        )

    def _login_gauges(self) -> None:
        gauge = self._gauge
        self._left = gauge("login_attempts_left", "Attempts that the worker may still use, of the account's.")
        self._left_credential = gauge(
            "login_attempts_left_for_credential", "Attempts left with the password as it is now."
        )
        self._left_account = gauge("account_attempts_left", "Attempts before the server locks the account.")
        self._failures = gauge("login_failures", "Failed attempts since the last success or reset.")
        self._next_attempt = gauge(
            "login_next_attempt_seconds", "Seconds until the next attempt; 0: now; +Inf: none comes, as it is halted."
        )
        self._halted = gauge("login_halted", "1 while no attempt is made until a person or a new credential.")
        self._state = gauge("login_state", "1 for the state that the login guard is in.", ["state"])
        self._password_days = gauge("password_days_left", "Days until the password expires; NaN: not known.")

    def _mail_gauges(self) -> None:
        gauge = self._gauge
        self._good_poll = gauge(
            "last_good_poll_age_seconds", "Seconds since the last good poll, or since the start; NaN: neither is known."
        )
        self._interval = gauge("poll_interval_seconds", "Seconds from one poll to the next, as [poll] every says.")
        self._oldest = gauge("oldest_pending_message_seconds", "Age of the oldest message that isn't done; 0: none.")
        self._messages = gauge("messages", "Messages by the state that each has one of.", ["state"])
        self._released = gauge("messages_released", "Junk that a person has said is clean.")
        self._dead = gauge("dead_letters", "Messages given up on, kept for people.")
        self._known = gauge("junk_of_known_senders", "Junk, not yet reviewed, from senders handled before.")
        self._circuit = gauge(
            "handler_circuit_open", "1 while a handler isn't called, as it kept failing.", ["handler"]
        )
        self._stuck = gauge("handlers_stuck", "Calls of handlers that have not returned for too long (stuck_after).")
        self._lease = gauge("lease_held", "1 while this replica is the one that works on the mailbox.")
        self._paused = gauge("paused", "1 while a person has paused the work.")
        self._journal = gauge("journal_up", "1 while the journal can be read.")
        self._info = gauge("build_info", "Always 1; its label is the version.", ["version"])

    def _gauge(self, name: str, text: str, labels: list[str] | None = None) -> Gauge:
        return Gauge(f"nhsmail_{name}", text, labels or [], registry=self.registry)

    def attempted(self, outcome: str) -> None:
        """A credential was sent, with this result: `accepted`, or a failure's class."""
        self._attempts.labels(outcome).inc()

    def polled(self, outcome: str, seconds: float) -> None:
        """A poll ended: `good`, or the class of the trouble."""
        self._polls.labels(outcome).inc()
        self._poll_seconds.observe(seconds)

    def tried(self, path: str, outcome: str) -> None:
        """A try at a message on this path had this outcome."""
        self._outcomes.labels(path, outcome).inc()

    def judged_junk(self, source: str) -> None:
        """A message was judged junk for this source's evidence."""
        self._junk.labels(source).inc()

    def handled(self, handler: str, outcome: str, seconds: float) -> None:
        """A handler finished with a message: `done`, `retry`, `reject` or `error`, after so many seconds."""
        self._handler_results.labels(handler, outcome).inc()
        self._handler_seconds.labels(handler).observe(seconds)

    def overdue(self, handler: str) -> None:
        """A handler exceeds its time limit on a message. Its final result is counted as well."""
        self._handler_results.labels(handler, "overdue").inc()

    def show(self, view: StatusView) -> None:
        """Set every gauge from this state."""
        self._show_login(view)
        self._show_mail(view)
        self._stuck.set(view.stuck)
        self._lease.set(view.replica != "" and view.lease.holder == view.replica and not view.standing_by)
        self._paused.set(view.paused)
        self._journal.set(view.journal_ok)
        self._info.labels(view.version).set(1)

    def _show_login(self, view: StatusView) -> None:
        login = view.login
        self._left.set(login.remaining)
        self._left_credential.set(login.remaining_for_credential)
        self._left_account.set(login.left_of_account)
        self._failures.set(login.failures)
        halted = login.state is LoginState.HALTED
        self._next_attempt.set(math.inf if halted else _until(login.next_attempt_at, view.now))
        self._halted.set(halted)
        for state in LoginState:
            self._state.labels(state.value).set(state is login.state)
        days = view.password.days_left
        self._password_days.set(math.nan if days is None else days)

    def _show_mail(self, view: StatusView) -> None:
        age = view.good_poll_age
        self._good_poll.set(math.nan if age is None else age)
        self._interval.set(view.poll_every)
        self._oldest.set(view.messages.oldest_pending_seconds)
        for state in STATES:
            self._messages.labels(state).set(getattr(view.messages, state))
        self._released.set(view.messages.released)
        self._dead.set(view.messages.failed)
        self._known.set(view.junk_of_known_senders)
        for circuit in view.circuits:
            self._circuit.labels(circuit.handler).set(circuit.open)

    def text(self) -> bytes:
        """All metrics, as `/metrics` serves them."""
        return generate_latest(self.registry)


def _until(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (at - now).total_seconds())
