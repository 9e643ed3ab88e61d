"""The composition root: builds every part from the settings, and doesn't know how any works."""

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cached_property

from worker.commands.wiring.engine import Backoff, counting
from worker.commands.wiring.from_settings import classify_of, limits_of, router_of
from worker.handling.call import Try
from worker.handling.circuit import CircuitRules
from worker.handling.gate import Keeper
from worker.handling.handler import Handler, in_time
from worker.handling.loading import junk_handlers, load_handlers
from worker.handling.output import Guests
from worker.handling.pool import Hands
from worker.handling.routing.conditions import any_pattern
from worker.handling.routing.router import Router
from worker.handling.stopwatch import Stopwatch
from worker.journal.attempts import AttemptLedger
from worker.journal.intents import Intents
from worker.journal.journal import Journal
from worker.journal.lease import Lease
from worker.journal.records import Record
from worker.login.advice import Help
from worker.login.backoff import Lockout
from worker.login.credential import CredentialSource, PasswordSource
from worker.login.guard import Guard, Notify, Rules
from worker.login.mutex import AttemptMutex
from worker.login.oauth import Flow, OAuthConfig, OAuthSource
from worker.login.password_policy import policy_named
from worker.login.witness import Witness
from worker.logs import get_logger
from worker.logs.who import actor as person
from worker.logs.who import replica
from worker.loop.connection import Connector
from worker.loop.cycle import Cycle
from worker.loop.housekeeping import Upkeep
from worker.loop.pause import Pause
from worker.mailbox.folders import Layout
from worker.mailbox.session import Endpoint, Session
from worker.message.mime.limits import Limits
from worker.message.outcome import LONGEST_AFTER
from worker.message.verdict import Path as MailPath
from worker.message.verdict import Verdict
from worker.observe.announcer import Announcer
from worker.observe.background import Observing
from worker.observe.progress import Drain
from worker.pipeline.admit import Admission, Classify
from worker.pipeline.fetch import Fetch
from worker.pipeline.known_senders import Senders, read_key
from worker.pipeline.pipeline import Bounds, Pipeline
from worker.pipeline.poll import Poll
from worker.pipeline.record import KEEP, Recorder, Targets
from worker.pipeline.requests import CarryOut
from worker.pipeline.settle import Settle
from worker.pipeline.turns import Turns
from worker.reconcile.compact import Compact
from worker.reconcile.walk import Walk
from worker.settings import (
    HandlerSettings,
    Settings,
    read_secret,
)

log = get_logger()


class Parts:
    """The worker's parts, each built when it is asked for. `close` gives back what was opened.

    journal: replaced only before anything is built on it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = time.time
        self.monotonic = time.monotonic
        url = read_secret(settings.state.journal, settings.state.journal_file)
        self.journal = Journal(settings.state.dir, None if url is None else url.get_secret_value(), self.clock)
        self.layout = Layout(settings.poll.folders)
        self._handlers: dict[str, Handler] = {}
        self._guests = Guests()
        self._stopwatch = Stopwatch(self.monotonic)
        self._observing: Observing | None = None

    def close(self) -> None:
        """Give back what was opened."""
        for handler in self._handlers.values():
            self._close_handler(handler)
        self._guests.remove()
        self._stopwatch.close()
        self.journal.close()

    def _close_handler(self, handler: Handler) -> None:
        """Whatever a handler does when it is closed, the others are closed too, and the journal."""

        def close() -> None:
            with self._guests.at_work(handler.name):
                handler.close()

        try:
            in_time(close, self.settings.work.grace.total_seconds())
        except Exception:
            log.exception("handler.failed", handler=handler.name)

    def observing(self, command: str | None = None) -> Observing:
        if self._observing is None:
            login = self.reading_guard().status
            name = "" if command is None else self.lease.name
            self._observing = Observing(self.settings, self.journal, login, self.clock, command=command, replica=name)
        return self._observing

    def cycle(self, drain: Drain, observing: Observing) -> tuple[Cycle, Hands]:
        settings = self.settings
        messages, tries, places = self.journal.messages, self.journal.tries, self.journal.places
        self._guests.install()
        self._handlers = load_handlers(settings, self._guests)
        keepers = self._keepers(observing)
        circuits = {name: keeper.circuit for name, keeper in keepers.items()}
        observing.circuits = circuits
        ordered = [route.name for route in settings.routes if route.order == "sender"]
        turns = Turns(messages, tries, self.clock, circuits=circuits, ordered=ordered)
        attempt = Try(
            self.router(),
            self._handlers_by_path(),
            self.monotonic,
            observing.metrics.handled,
            keepers=keepers,
            routed=turns.routed,
            guests=self._guests,
        )
        pause = Pause(self.journal.facts, self.monotonic)
        hands = Hands(
            observing.working(attempt),
            settings.work.threads,
            may_begin=lambda: self.lease.is_held() and not pause.lately(),
        )
        self._stopwatch.on_overdue = hands.lost
        observing.health.count_replaced(hands.replaced)
        settle = self.settle()
        guard = self.guard(actor=replica())
        cycle = Cycle(
            lease=self.lease,
            connector=Connector(
                new_session=self.new_session,
                guard=guard,
                layout=self.layout,
                junk_setting=settings.junk.folder,
                targets=self.targets(),
                check=settle.check,
            ),
            facts=self.journal.facts,
            pause=pause,
            idle=settings.poll.idle,
            reconnect=[wait.total_seconds() for wait in settings.poll.reconnect],
            clock=self.clock,
            monotonic=self.monotonic,
            messages=messages,
            tries=tries,
            check_age=guard.check_age,
            keep_watch=guard.keep_watch,
            watching=observing,
            delete_handled_after=settings.settle.delete_handled_after,
            upkeep=self._upkeep(),
        )
        admission = Admission(
            messages,
            places,
            account=settings.account.address,
            layout=self.layout,
            classify=self.classify(),
            clock=self.clock,
            sender_of=self._senders(),
            on_moved_out=self._on_moved_out(),
        )
        recorder = Recorder(
            messages=messages,
            tries=tries,
            hands=hands,
            targets=Targets(settings.settle.handled, settings.settle.failed, settings.settle.junk),
            layout=self.layout,
            backoff=Backoff(settings),
            flush=self._flush,
            clock=self.clock,
            on_outcome=counting(drain),
            watching=observing,
        )
        fetch = Fetch(
            messages=messages,
            tries=tries,
            places=places,
            account=settings.account.address,
            hands=hands,
            recorder=recorder,
            layout=self.layout,
            limits=self.limits(),
            deaths=settings.limits.deaths,
            headers_only=self._headers_only,
            seek=admission.seek,
            run=replica(),
        )
        cycle.pipeline = Pipeline(
            poll=Poll(messages, places, self.layout, settings.poll.since, account=settings.account.address),
            admission=admission,
            fetch=fetch,
            hands=hands,
            recorder=recorder,
            settle=settle,
            carry_out=self.carry_out(),
            messages=messages,
            tries=tries,
            places=places,
            bounds=Bounds(
                batch_bytes=settings.poll.batch_bytes,
                batch_count=settings.poll.batch_count,
                patience=settings.poll.every.total_seconds(),
                longest_wait=max(self._waits()).total_seconds(),
            ),
            go_on=cycle.go_on,
            clock=self.clock,
            on_new=drain.found,
            watching=observing,
            turns=turns,
        )
        return cycle, hands

    @cached_property
    def lease(self) -> Lease:
        """The one lease of this process; from now on what is written of messages is fenced by it."""
        lease = Lease(
            self.journal.database, self.settings.state.dir, replica(), clock=self.clock, monotonic=self.monotonic
        )
        self.journal.fenced_by(lease.fence)
        return lease

    def reading_guard(self) -> Guard:
        """A guard that is only asked how the login stands: it has nothing to tell, and needs no audit trail."""
        return self.guard(notify=lambda _event, _fields: None)

    def guard(self, notify: Notify | None = None, *, actor: str | None = None) -> Guard:
        """actor: the replica that works; None: the person whose command this is."""
        settings, lockout = self.settings, self.settings.lockout
        database = self.journal.database
        return Guard(
            ledger=AttemptLedger(database),
            witness=Witness(settings.state.dir),
            mutex=AttemptMutex(database, settings.state.dir),
            source=self._source(),
            rules=Rules(
                account=settings.account.address,
                lockout=Lockout(
                    threshold=lockout.threshold,
                    reserve=lockout.reserve,
                    per_credential=lockout.per_credential,
                    waits=tuple(wait.total_seconds() for wait in lockout.waits),
                    jitter=lockout.jitter,
                    token_attempts=lockout.token_attempts,
                    reconnect=tuple(wait.total_seconds() for wait in settings.poll.reconnect),
                ),
                policy=policy_named(settings.password.policy),
                max_age=settings.password.max_age.total_seconds(),
                warn=settings.password.warn.total_seconds(),
                changed=None if settings.password.changed is None else settings.password.changed.timestamp(),
                help=Help(settings.help.local_administrator, settings.help.helpdesk),
            ),
            clock=self.clock,
            random=random.SystemRandom(),
            actor=person() if actor is None else actor,
            notify=self.announcer() if notify is None else notify,
        )

    def announcer(self) -> Announcer:
        observing = self.observing()
        return Announcer(observing.audit, observing.metrics.attempted)

    def _source(self) -> CredentialSource:
        """Where the credential comes from: the password itself, or one of the OAuth flows."""
        account = self.settings.account
        return self._password_source() if account.auth == "password" else self.oauth_source(account.auth)

    def _password_source(self) -> PasswordSource:
        account = self.settings.account
        value = None if account.password is None else account.password.get_secret_value()
        return PasswordSource(account.address, file=account.password_file, value=value, mode=account.password_file_mode)

    def oauth_source(self, flow: Flow) -> OAuthSource:
        account, oauth = self.settings.account, self.settings.account.oauth
        config = OAuthConfig(
            tenant=oauth.tenant,
            client_id=oauth.client_id,
            authority=oauth.authority,
            scopes=oauth.scopes,
            client_secret=None if oauth.client_secret is None else oauth.client_secret.get_secret_value(),
            client_secret_file=oauth.client_secret_file,
            certificate_file=oauth.certificate_file,
            file_mode=account.password_file_mode,
            refresh_ahead=oauth.refresh_ahead.total_seconds(),
            timeout=account.read_timeout.total_seconds(),
            ca_file=account.ca_file,
        )
        password = self._password_source() if flow == "oauth2-password" else None
        return OAuthSource(flow, account.address, config, state_dir=self.settings.state.dir, password=password)

    def new_session(self) -> Session:
        account = self.settings.account
        return Session(
            Endpoint(
                account.host,
                account.port,
                account.ca_file,
                account.connect_timeout.total_seconds(),
                account.read_timeout.total_seconds(),
            )
        )

    def settle(self) -> Settle:
        return Settle(
            self.journal.messages, self.journal.places, account=self.settings.account.address, clock=self.clock
        )

    def carry_out(self) -> CarryOut:
        intents = Intents(self.journal.database)
        return CarryOut(intents, self.journal.messages, self.settle(), self.layout, self.clock)

    def walk(self) -> Walk:
        return Walk(
            self.journal.messages,
            self.journal.places,
            account=self.settings.account.address,
            watched=self.layout.watched,
            targets=self.targets(),
            since=self.settings.poll.since,
        )

    def compact(self, session: Session) -> int:
        return Compact(
            self.journal.messages,
            self.walk(),
            account=self.settings.account.address,
            keep=self.settings.state.keep.total_seconds(),
            clock=self.clock,
        )(session)

    def _upkeep(self) -> Upkeep:
        database = self.journal.database
        return Upkeep(
            self.journal.facts,
            compact=self.compact,
            forget=[AttemptLedger(database).compact, Intents(database).forget],
            keep=self.settings.state.keep.total_seconds(),
            clock=self.clock,
        )

    def router(self) -> Router:
        return router_of(self.settings)

    def _keepers(self, observing: Observing) -> dict[str, Keeper]:
        return {
            name: Keeper(
                name,
                circuit=CircuitRules(table.pause_after, tuple(pause.total_seconds() for pause in table.pauses)),
                concurrency=table.concurrency,
                time_limit=None if table.isolate else table.time_limit.total_seconds(),
                stopwatch=self._stopwatch,
                monotonic=self.monotonic,
                on_overdue=observing.metrics.overdue,
            )
            for name in self._handlers
            for table in [self.settings.handlers.get(name, HandlerSettings())]
        }

    def _waits(self) -> Iterator[timedelta]:
        """All that a message may have to wait for until its next try."""
        yield LONGEST_AFTER
        yield from self.settings.junk.waits
        for route in self.settings.routes:
            yield from route.waits
        for table in self.settings.handlers.values():
            yield from table.pauses

    def _handlers_by_path(self) -> dict[MailPath, dict[str, Handler]]:
        """Each path has its own: what isn't named for junk doesn't exist there."""
        clean = {name for route in self.settings.routes for name in route.handlers}
        junk = junk_handlers(self.settings)
        return {
            MailPath.CLEAN: {name: handler for name, handler in self._handlers.items() if name in clean},
            MailPath.JUNK: {name: handler for name, handler in self._handlers.items() if name in junk},
        }

    def _headers_only(self, verdict: Verdict) -> bool:
        """Whether no handler of this path wants more than the headers, so that the body isn't even fetched."""
        return verdict.path is MailPath.JUNK and all(
            getattr(self._handlers[name].call, "headers_only", False) for name in junk_handlers(self.settings)
        )

    def _flush(self) -> None:
        for handler in self._handlers.values():
            handler.flush()

    def targets(self) -> list[str]:
        settle = self.settings.settle
        return [name for name in (settle.handled, settle.failed, settle.junk) if name not in (KEEP, "auto")]

    def limits(self) -> Limits:
        return limits_of(self.settings)

    def classify(self) -> Classify:
        return classify_of(self.settings)

    def _senders(self) -> Senders:
        known = self.settings.junk.known_senders
        return Senders(read_key(self.settings.state.dir), any_pattern(known or ()))

    def _on_moved_out(self) -> Callable[[Record], None] | None:
        if self.settings.junk.moved_out == "judge":
            return None
        announcer = self.announcer()
        return lambda record: announcer.moved_out(record.key)
