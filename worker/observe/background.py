"""What the process does beside the mail: it serves the page, and sends alerts and the digest, each in its own thread.

The mail goes on without any of it: what can't be served or sent is reported in the log.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.store import Journal
from worker.logs.log import get_logger
from worker.observe.access import FixedToken, Token, TokenFile, UnsafeAddress, address
from worker.observe.alert_rules import Limits
from worker.observe.alerter import Alerter
from worker.observe.bounded_channel import BoundedChannel
from worker.observe.digest_job import DigestJob, zone_named
from worker.observe.listener import Listener
from worker.observe.view import StatusSource, StatusView
from worker.settings import Settings, SettingsError

if TYPE_CHECKING:
    from worker.observe.news import News
    from worker.observe.server import Server
    from worker.observe.submission import SignIn

# Server and channels are imported when they are needed: `once` has neither, and needn't wait for their libraries.

log = get_logger()


class Background:
    """One for each process that runs until it is ended."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        listener: Listener,
        status: StatusSource,
        *,
        clock: Callable[[], float],
        sign_in: "SignIn | None" = None,
    ) -> None:
        """sign_in: the account's, by which `[alerts.submission]` goes out; None: nothing does."""
        self._settings = settings
        self._journal = journal
        self._listener = listener
        self._status = status
        self._clock = clock
        self._sign_in = sign_in
        self._server: Server | None = None
        self._ended = threading.Event()

    def open(self) -> None:
        """Start to serve probes, metrics and page, and to send alerts and the digest.

        Raises:
            SettingsError: the page would be open to everybody, or an alert channel can't work.
        """
        alerter = self._alerter()
        self._serve()
        if alerter is not None:
            account = self._settings.account.address
            self._start("alerts", AlertJob(self._status, alerter, account=account, clock=self._clock).check)
        if self._settings.junk.digest != "off":
            self._start("digest", partial(self._check_digest, self._digest()))

    def close(self) -> None:
        """Stop serving and sending. What is being sent isn't waited for: the next start sends it if need be."""
        self._listener.health.stopping()
        self._ended.set()
        if self._server is not None:
            self._server.stop()

    @property
    def port(self) -> int | None:
        """The port at which the page is served; None: it isn't."""
        return None if self._server is None else self._server.port

    def _serve(self) -> None:
        listen = self._settings.health.listen
        if not listen:
            return
        from worker.observe.server import Server

        host, port = address(listen)
        try:
            self._server = Server(
                host,
                port,
                status=self._status,
                account=self._settings.account.address,
                health=self._listener.health,
                metrics=self._listener.metrics,
                token=self._token(),
                clock=self._clock,
            )
        except UnsafeAddress as problem:
            raise SettingsError([f"[health] listen: {problem}"]) from problem
        except OSError:
            # Another process has the port, or this machine has no such address. The mail matters more than the page.
            log.error("http.not_listening", host=host, port=port)
            return
        self._server.start()

    def _token(self) -> Token | None:
        health = self._settings.health
        if health.token is not None:
            return FixedToken(health.token)
        if health.token_file is None:
            return None
        token = TokenFile(health.token_file)
        try:
            token.read()
        except (OSError, ValueError) as problem:
            raise SettingsError([f"[health] token_file: {health.token_file} can't be read."]) from problem
        return token

    def _start(self, name: str, check: Callable[[], None]) -> None:
        every = self._settings.alerts.every.total_seconds()
        job = partial(again_and_again, check, every=every, ended=self._ended)
        threading.Thread(target=job, name=name, daemon=True).start()

    def _check_digest(self, job: DigestJob) -> None:
        with suppress(JournalUnavailable):  # reported elsewhere; the digest stays due
            job.check()

    def _digest(self) -> DigestJob:
        junk = self._settings.junk
        return DigestJob(
            self._journal.database,
            self._channels(),
            schedule=junk.digest,
            zone=zone_named(junk.digest_zone),
            account=self._settings.account.address,
            replica=self._listener.replica,
            clock=self._clock,
        )

    def _channels(self) -> "list[BoundedChannel[News]]":
        from worker.observe.channels import channels_of

        return [BoundedChannel(one) for one in channels_of(self._settings, self._sign_in)]

    def _alerter(self) -> Alerter | None:
        alerts = self._settings.alerts
        found = self._channels()
        limits = Limits(
            oldest_message=alerts.oldest_message.total_seconds(),
            paused_for=alerts.paused_for.total_seconds(),
            again_after=alerts.again_after.total_seconds(),
        )
        memory = _Told(self._journal.facts)
        return Alerter(found, memory=memory, limits=limits, clock=self._clock) if found else None


def again_and_again(check: Callable[[], None], *, every: float, ended: threading.Event) -> None:
    """Check every so many seconds until the end. A fault in one check must not end it: no alert would follow."""
    while not ended.wait(every):
        try:
            check()
        except Exception:
            log.exception("alert.check_failed")


class AlertJob:
    """Shows the alerter the state; while the journal can't be read, the last known one."""

    def __init__(self, status: StatusSource, alerter: Alerter, *, account: str, clock: Callable[[], float]) -> None:
        self._status = status
        self._alerter = alerter
        self._clock = clock
        self._last = StatusView(account=account, now=self._now(), journal_ok=False)

    def check(self) -> None:
        """Send what is new."""
        try:
            self._last = self._status.view()
        except JournalUnavailable:
            self._last = replace(self._last, now=self._now(), journal_ok=False)
        self._alerter.check(self._last)

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


class _Told:
    """Remembers in the journal what was sent."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def load(self) -> str | None:
        return self._facts.recall("alerts")

    def store(self, text: str) -> None:
        self._facts.remember("alerts", text)
