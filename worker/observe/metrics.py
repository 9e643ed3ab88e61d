"""The worker's metrics, for Prometheus. The values of labels are words from the configuration, or our own.

Events are counted as they happen, each by a method. States are read from the `StatusView` at each scrape, so that ages
are right even when nothing happens any more.
"""

import math
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from worker.journal.size_note import Fullness
from worker.login.expiry import Thing
from worker.observe.counts import Counts
from worker.observe.view import LoginState, StatusView

HANDLER_BUCKETS: Final = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900)
POLL_BUCKETS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800)
STATES: Final = ("pending", "handled", "junk", "failed", "gone")


class Metrics(Counts):
    """All metrics, in a registry of their own. Safe between threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """clock: epoch s."""
        super().__init__(clock)
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._count_things()
        self._login_gauges()
        self._mail_gauges()

    def _count_things(self) -> None:
        of = self.registry
        self._attempts = Counter(
            "nhsmail_login_attempts", "Credentials sent to the server, by result.", ["outcome"], registry=of
        )
        self._polls = Counter("nhsmail_polls", "Polls, by result.", ["outcome"], registry=of)
        self._poll_seconds = Histogram(
            "nhsmail_poll_seconds", "How long a poll took, work included.", buckets=POLL_BUCKETS, registry=of
        )
        self._outcomes = Counter(
            "nhsmail_message_outcomes", "Tries at messages, by outcome.", ["path", "outcome"], registry=of
        )
        self._known_by_headers = Counter(
            "nhsmail_messages_known_by_headers",
            "Finished messages that were found in another place by headers and size only, because their content "
            "isn't known.",
            registry=of,
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
            "nhsmail_handler_results", "Handler calls, by result.", ["handler", "outcome"], registry=of
        )

        self._copies_removed = Counter(
            "nhsmail_copies_removed", "Old copies of messages that a handler removed.", ["handler"], registry=of
        )
        self._copies_kept = Counter(
            "nhsmail_copies_kept", "Old copies of messages that a handler couldn't remove.", ["handler"], registry=of
        )

    def _login_gauges(self) -> None:
        gauge = self._gauge
        self._left = gauge("login_attempts_left", "Login attempts that the worker may still use.")
        self._left_credential = gauge(
            "login_attempts_left_for_credential", "Login attempts left with the present password."
        )
        self._left_account = gauge("account_attempts_left", "Attempts before the server locks the account.")
        self._failures = gauge("login_failures", "Failed attempts since the last success or reset.")
        self._next_attempt = gauge(
            "login_next_attempt_seconds",
            "Seconds until the next attempt. 0: now. +Inf: none, because the login is halted.",
        )
        self._halted = gauge(
            "login_halted", "1 while the login is halted: the worker waits for a person or a new credential."
        )
        self._state = gauge("login_state", "1 for the present state of the login guard.", ["state"])
        self._password_days = gauge("password_days_left", "Days until the password expires; NaN: not known.")
        self._expiry_days = gauge(
            "expiry_days_left", "Days until this expires, negative after it has; NaN: not known.", ["what"]
        )
        self._sign_in_age = gauge(
            "sign_in_age_seconds", "Age of a person's sign-in, as far as is known; NaN: not known, or there is none."
        )
        self._sign_in_unused = gauge(
            "sign_in_unused_seconds",
            "Seconds since the refresh token was last used; it ends after 90 days. NaN: not known, or there is none.",
        )

    def _mail_gauges(self) -> None:
        gauge = self._gauge
        self._good_poll = gauge(
            "last_good_poll_age_seconds", "Seconds since the last good poll, or since the start; NaN: neither is known."
        )
        self._interval = gauge("poll_interval_seconds", "Seconds from one poll to the next, as [poll] every says.")
        self._oldest = gauge(
            "oldest_pending_message_seconds", "Age of the oldest unfinished message. 0: there is none."
        )
        self._messages = gauge("messages", "Messages by state. Each message has one state.", ["state"])
        self._released = gauge("messages_released", "Junk that a person has said is clean.")
        self._dead = gauge("dead_letters", "Messages that the worker gave up on, kept for people.")
        self._unexplained = gauge("unexplained_messages", "Mail among the handled that this worker didn't move there.")
        self._known = gauge("junk_of_known_senders", "Junk, not yet reviewed, from senders handled before.")
        self._circuit = gauge(
            "handler_circuit_open", "1 while a handler is paused, because it kept failing.", ["handler"]
        )
        self._oldest_copy = gauge(
            "oldest_copy_timestamp_seconds",
            "When the oldest copy that a handler keeps was received or made; NaN: there is none.",
            ["handler"],
        )
        self._stuck = gauge("handlers_stuck", "Handler calls that have not returned for longer than stuck_after.")
        self._lease = gauge("lease_held", "1 while this replica works on the mailbox.")
        self._paused = gauge("paused", "1 while a person has paused the work.")
        self._paused_seconds = gauge("paused_seconds", "How long the work has been paused; 0: it isn't.")
        self._arrived = gauge(
            "arrived_while_paused",
            "Messages that have arrived since the last poll, counted while paused. NaN: not known.",
        )
        self._look = gauge(
            "last_look_age_seconds",
            "Seconds since the mailbox was last looked at: by a good poll, or to count arrivals while paused.",
        )
        self._mailbox_used = gauge("mailbox_used_bytes", "What the mailbox holds; NaN: not known yet.")
        self._mailbox_limit = gauge("mailbox_limit_bytes", "What the mailbox may hold; NaN: not known yet.")
        self._mailbox_state = gauge("mailbox_state", "1 for the mailbox's present state, by [mailbox] warn.", ["state"])
        self._mailbox_days = gauge(
            "mailbox_days_until_full",
            "Days until the mailbox is full at the present rate; NaN: it isn't growing, or that isn't known.",
        )
        self._mailbox_estimate = gauge(
            "mailbox_estimated", "1 if what the mailbox holds is the sum of the messages' sizes, not the server's word."
        )
        self._journal = gauge("journal_up", "1 while the journal can be read.")
        self._info = gauge("build_info", "Always 1; its label is the version.", ["version"])

    def _gauge(self, name: str, text: str, labels: list[str] | None = None) -> Gauge:
        return Gauge(f"nhsmail_{name}", text, labels or [], registry=self.registry)

    def attempted(self, outcome: str) -> None:
        self._attempts.labels(outcome).inc()

    def polled(self, outcome: str, seconds: float) -> None:
        self._polls.labels(outcome).inc()
        self._poll_seconds.observe(seconds)

    def tried(self, path: str, outcome: str) -> None:
        self._outcomes.labels(path, outcome).inc()

    def known_by_headers(self, count: int) -> None:
        self._known_by_headers.inc(count)

    def judged_junk(self, source: str) -> None:
        self._junk.labels(source).inc()

    def handled(self, handler: str, outcome: str, seconds: float) -> None:
        self._handler_results.labels(handler, outcome).inc()
        self._handler_seconds.labels(handler).observe(seconds)
        self.figures.called(handler, outcome, seconds)

    def overdue(self, handler: str) -> None:
        self._handler_results.labels(handler, "overdue").inc()

    def copies_removed(self, handler: str, removed: int, kept: int) -> None:
        self._copies_removed.labels(handler).inc(removed)
        self._copies_kept.labels(handler).inc(kept)

    def oldest_copy(self, handler: str, at: float | None) -> None:
        self._oldest_copy.labels(handler).set(math.nan if at is None else at)

    def show(self, view: StatusView) -> None:
        self._show_login(view)
        self._show_mail(view)
        self._stuck.set(view.stuck)
        self._lease.set(view.replica != "" and view.lease.holder == view.replica and not view.standing_by)
        self._paused.set(view.paused)
        self._paused_seconds.set(view.paused_seconds)
        arrived = view.pause.arrived if view.paused else 0
        self._arrived.set(math.nan if arrived is None else arrived)
        self._look.set(math.nan if view.look_age is None else view.look_age)
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
        self._show_expiries(view)

    def _show_expiries(self, view: StatusView) -> None:
        for one in view.expiries:
            self._expiry_days.labels(one.thing.value).set(math.nan if one.days_left is None else one.days_left)
        sign_in = next((one for one in view.expiries if one.thing is Thing.REFRESH_TOKEN), None)
        self._sign_in_age.set(_since(None if sign_in is None else sign_in.since, view))
        self._sign_in_unused.set(_since(None if sign_in is None else sign_in.used_at, view))

    def _show_mail(self, view: StatusView) -> None:
        age = view.good_poll_age
        self._good_poll.set(math.nan if age is None else age)
        self._interval.set(view.poll_every)
        self._oldest.set(view.messages.oldest_pending_seconds)
        for state in STATES:
            self._messages.labels(state).set(getattr(view.messages, state))
        self._released.set(view.messages.released)
        self._dead.set(view.messages.failed)
        self._unexplained.set(view.unexplained)
        self._show_size(view)
        self._known.set(view.junk_of_known_senders)
        for circuit in view.circuits:
            self._circuit.labels(circuit.handler).set(circuit.open)

    def _show_size(self, view: StatusView) -> None:
        note = view.mailbox
        self._mailbox_used.set(math.nan if note is None else note.used)
        self._mailbox_limit.set(math.nan if note is None else note.limit)
        for state in Fullness:
            self._mailbox_state.labels(state.value).set(note is not None and state is view.fullness)
        days = None if note is None else note.days_left
        self._mailbox_days.set(math.nan if days is None else days)
        self._mailbox_estimate.set(note is not None and note.estimate)

    def text(self) -> bytes:
        return generate_latest(self.registry)


def _since(at: datetime | None, view: StatusView) -> float:
    return math.nan if at is None else view.seconds_since(at)


def _until(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (at - now).total_seconds())
