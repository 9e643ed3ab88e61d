"""The composition root: builds every part from the settings, starts and stops them, and doesn't know how any works."""

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from worker import __version__
from worker.admit import Admission, Classify
from worker.announce import Announcer
from worker.carry_out import CarryOut
from worker.classify import JunkPolicy, classify
from worker.classify.kinds import Kind
from worker.classify.policy import PROVIDER_HOSTS, SPAM_CATEGORIES
from worker.connect import Connector, log_in
from worker.cycle import Cycle, Drained, LeaseHeld, Paused
from worker.exits import ExitCode, Failure
from worker.explain import KNOWN, failure_of
from worker.fetch import Fetch
from worker.handle import Try
from worker.handler_loading import Handler, check_handlers, junk_handlers, load_handlers
from worker.hands import Hands
from worker.headers import Headers
from worker.journal.attempts import AttemptLedger
from worker.journal.database import JournalDamaged
from worker.journal.intents import Intents
from worker.journal.intents import Kind as IntentKind
from worker.journal.journal import Journal
from worker.journal.junk import in_junk, reviewed
from worker.journal.lease import HEARTBEAT, Lease
from worker.journal.messages import Record, Result
from worker.login.advice import Help
from worker.login.backoff import Lockout
from worker.login.credential import CredentialSource, CredentialUnavailable, PasswordSource
from worker.login.guard import Guard, Notify, Rules
from worker.login.mutex import AttemptInProgress, AttemptMutex
from worker.login.oauth import Flow, OAuthConfig, OAuthSource
from worker.login.policy import policy_named
from worker.login.refusals import Cooling, LastAttempt, NoAttempt
from worker.login.witness import Witness
from worker.mailbox.errors import LoginFailed
from worker.mailbox.folders import FolderInfo, Layout, find_junk, missing, require
from worker.mailbox.session import Endpoint, Session
from worker.message import Limits
from worker.observe import configure_logging, get_logger
from worker.observe.audit import AuditUnavailable, Verification
from worker.observe.view import status_json
from worker.observing import Observing, about
from worker.outcome import State
from worker.pipeline import Bounds, Pipeline, Stop
from worker.poll import Poll
from worker.preview import Foreseen, Preview
from worker.progress import Drain
from worker.reconcile import Balance, Reconcile
from worker.record import KEEP, Recorder, Targets
from worker.review import Listed, NotThere, Review, Shown
from worker.route import JUNK_ROUTE, Router, any_pattern
from worker.senders import Senders, UnusableKey, read_key
from worker.settings import (
    JunkSettings,
    RouteSettings,
    Settings,
    SettingsError,
    check_files,
    check_state_dir,
    load,
    read_secret,
)
from worker.settle import Settle
from worker.signals import ENDING_SIGNALS
from worker.status import actor, replica, view
from worker.upkeep import Compact, Rebuild, Rebuilt
from worker.verdict import Path as MailPath
from worker.verdict import Verdict
from worker.walk import Walk

log = get_logger()


@dataclass(frozen=True, slots=True)
class Summary:
    """What `once` came to, for a person and for a script. failed: the folder of the dead letters."""

    drained: Drained
    failed: str

    @property
    def exit_code(self) -> ExitCode:
        """As the contract's table says."""
        if self.drained.outcomes[State.FAILED]:
            return ExitCode.FINDING
        return ExitCode.NOT_NOW if self.drained.due else ExitCode.DONE

    def text(self) -> str:
        """For a person."""
        drained = self.drained
        done = ", ".join(f"{drained.outcomes[state]} {state.value}" for state in _ENDS)
        text = f"{drained.new} new; {done}."
        if drained.due:
            text += f" {drained.due} to be tried again later: run this again, or leave `nhsmail-worker run` running."
        if drained.outcomes[State.FAILED]:
            text += f" The dead letters lie in the mailbox's folder '{self.failed}'."
        return text


_ENDS = (State.HANDLED, State.JUNK, State.FAILED, State.GONE)


class App:
    """The worker, built. Use as a context manager: it closes what was opened."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._clock = time.time
        self._monotonic = time.monotonic
        url = read_secret(settings.state.journal, settings.state.journal_file)
        self._journal = Journal(settings.state.dir, None if url is None else url.get_secret_value(), self._clock)
        self._layout = Layout(settings.poll.folders)
        self._handlers: dict[str, Handler] = {}
        self._observing: Observing | None = None

    @classmethod
    def from_files(
        cls,
        path: Path | None,
        environ: Mapping[str, str],
        *,
        logs: bool = False,
        quiet: bool = False,
        reading: bool = False,
    ) -> Self:
        """The application from its configuration.

        logs: write the log; else only what a command prints. quiet: of it, warnings and errors alone, where a person
        sees the work on a progress bar. reading: only what the journal says is wanted, so that
        nothing but the settings themselves is checked.

        Raises:
            Failure: with every fault of the configuration.
        """
        checks = [] if reading else [check_files, check_handlers, check_state_dir]
        try:
            settings = load(path, environ, checks)
        except SettingsError as error:
            raise Failure(ExitCode.CONFIGURATION, _faults(error)) from error
        level = settings.log.level if logs else "error"
        if quiet and level == "info":
            level = "warning"
        configure_logging(level=level, format=settings.log.format, account=settings.account.address)
        return cls(settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for handler in self._handlers.values():
            handler.close()
        self._journal.close()

    # -- the commands --------------------------------------------------------------------------------------------------

    def run(self) -> ExitCode:
        """Poll until a signal ends it."""
        with self._explained():
            self._open()
            observing = self._observe("run")
            cycle, hands = self._build_cycle(Drain(), observing)
            observing.open()
        from worker.schedule import Schedule, Watcher  # `once` needs no scheduler, and needn't wait for it

        settings = self.settings
        schedule = Schedule(cycle, settings.poll.every, cycle.heartbeat, HEARTBEAT)
        observing.health.watch(schedule.alive)
        watcher = Watcher(schedule.wake)
        cycle.watch_with(watcher.watch)
        hands.on_finished = schedule.wake
        log.info("worker.started", account=settings.account.address, replica=replica(), version=__version__)
        observing.started()
        grace = settings.work.grace.total_seconds()
        impatience = threading.Timer(grace, cycle.abort)
        impatience.daemon = True

        def ending() -> None:
            observing.health.stopping()
            cycle.stop()
            impatience.start()

        received = schedule.run(ending=ending)
        cycle.end(grace)
        impatience.cancel()
        watcher.close()
        hands.close()
        observing.stopped(code=ExitCode.DONE, reason=received.name)
        observing.close()
        log.info("worker.stopped")
        return ExitCode.DONE

    def once(self, drain: Drain) -> Summary:
        """Drain the mailbox and end.

        Raises:
            Failure: the mailbox could not be drained.
        """
        with self._explained():
            self._open()
            observing = self._observe("once")
            cycle, hands = self._build_cycle(drain, observing)
            observing.started()
            code, reason = ExitCode.FAULT, "failed"
            grace = self.settings.work.grace.total_seconds()
            impatience = threading.Timer(grace, cycle.abort)
            impatience.daemon = True

            def stop(_number: int, _frame: object) -> None:
                cycle.stop()
                if impatience.ident is None:
                    impatience.start()

            try:
                for ending in ENDING_SIGNALS:
                    signal.signal(ending, stop)
                with self._lease.kept():
                    summary = Summary(cycle.drain(), self.settings.settle.failed)
                code, reason = summary.exit_code, "drained"
            except Exception as error:
                reason = type(error).__name__
                raise
            else:
                return summary
            finally:
                cycle.end(grace)
                impatience.cancel()
                hands.close()
                observing.stopped(code=code, reason=reason)

    def check(self) -> list[str]:
        """What was found to be well; what isn't was raised when the application was built."""
        settings = self.settings
        account = settings.account
        sound = (
            f"The configuration is sound: {account.address} at {account.host}:{account.port}, "
            f"{len(settings.routes)} route(s), state in {settings.state.dir}."
        )
        return [sound] + [f"Route '{r.route}' can never match: {r.reason}." for r in self._router().unreachable()]

    def before_connecting(self) -> str:
        """What `check --connect` says before it spends an attempt."""
        with self._explained():
            self._open()
            left = self._guard().status().standing.remaining
        return (
            f"Logging in once as {self.settings.account.address}. Should the server reject it, that spends one of the "
            f"{left} attempts that the worker has left."
        )

    def check_connection(self) -> list[str]:
        """Log in once and look at the folders."""
        with self._visit() as (session, folders):
            self._settle().check(session)
            watched = ", ".join(self._layout.watched)
            lines = [f"Logged in. {len(folders)} folders; watched: {watched}; junk is '{self._layout.junk}'."]
            absent = missing(folders, self._targets())
            if absent:
                lines.append(f"Not there yet, and created when the worker runs: {', '.join(absent)}.")
            return lines

    def status(self) -> dict[str, Any]:
        """The contract's `status --json`."""
        with self._explained():
            if self._journal.exists:
                self._journal.open(self.settings.account.address)
            else:
                self._journal = Journal(self.settings.state.dir, "sqlite://", self._clock)
                self._journal.open(self.settings.account.address)
            login = self._reading_guard().status()
            return status_json(view(self._journal, about(self.settings), login, self._clock()))

    def reconcile(self) -> Balance:
        """Hold every message against the journal. Reads only; works beside a running worker."""
        with self._visit() as (session, _):
            return Reconcile(self._journal.messages, self._walk()).balance(session)

    def compact(self) -> int:
        """Forget rows of mail that was settled long ago and is nowhere any more; returns how many."""
        keep = self.settings.state.keep.total_seconds()
        with self._visit() as (session, _):
            return Compact(self._journal.messages, self._walk(), keep=keep, clock=self._clock)(session)

    def rebuild(self, assume_handled_before: datetime | None) -> tuple[Rebuilt, Path | None]:
        """Make the journal anew from the mailbox. Returns what was entered, and where a damaged one was put."""
        settle = self.settings.settle
        if settle.handled == KEEP and assume_handled_before is None:
            raise Failure(
                ExitCode.USAGE,
                'Handled mail stays in the watched folders ([settle] handled = "keep"), so the mailbox doesn\'t say '
                "what was handled. Nothing was done. Say it: --assume-handled-before DATE. Mail received on that date "
                "or later is handled, perhaps again.",
            )
        with self._explained():
            damaged = self._open_or_set_aside()
            lease = self._lease
            if not lease.acquire():
                raise Failure(ExitCode.NOT_NOW, "A worker is running. Stop it first; nothing was done.")
        try:
            with lease.kept(), self._visit() as (session, _):
                rebuild = Rebuild(
                    self._journal.messages,
                    self._walk(),
                    handled=None if settle.handled == KEEP else settle.handled,
                    failed=settle.failed,
                    junk=self._layout.junk,
                    assume_handled_before=assume_handled_before,
                    clock=self._clock,
                )
                rebuilt = rebuild(session)
                self._announcer().rebuilt(actor(), rebuilt.handled + rebuilt.junk + rebuilt.failed)
                self._journal.facts.resume()
                return rebuilt, damaged
        finally:
            lease.release()

    def _open_or_set_aside(self) -> Path | None:
        """Open the journal; a damaged one is kept under another name, and the new one is paused until it is rebuilt."""
        try:
            self._open()
        except JournalDamaged:
            kept = self._journal.set_aside()
            self._journal = Journal(self.settings.state.dir, None, self._clock)
            self._open()
            self._journal.facts.pause("journal rebuild", self._clock())
            return kept
        return None

    def _walk(self) -> Walk:
        return Walk(
            self._journal.messages,
            account=self.settings.account.address,
            watched=self._layout.watched,
            targets=self._targets(),
            since=self.settings.poll.since,
        )

    def preview(self) -> list[Foreseen]:
        """What each message would come to, were the mailbox drained now."""
        with self._visit() as (session, _):
            preview = Preview(
                self._journal.messages,
                account=self.settings.account.address,
                layout=self._layout,
                classify=self._classify(),
                routes=self._router(),
                limits=self._limits(),
                since=self.settings.poll.since,
            )
            return list(preview.foresee(session))

    def login_status(self) -> tuple[dict[str, Any], str]:
        """The login's part of the status, and what a person should know and do about it."""
        found = self.status()
        return found["login"], self._reading_guard().advice()

    def login_reset(self, reason: str, *, again: bool) -> None:
        """Forget all failures: a person says that the account is unlocked."""
        with self._explained():
            self._open()
            self._guard().reset(reason, actor=actor(), again=again)

    def login_authorise(self, tell: Callable[[str], None]) -> None:
        """Sign in with a browser, once; the tokens are kept in the state folder."""
        with self._explained():
            if self.settings.account.auth != "oauth2-device":
                raise Failure(
                    ExitCode.CONFIGURATION,
                    'A sign-in with a browser belongs to auth = "oauth2-device"; [account] auth is '
                    f'"{self.settings.account.auth}". Nothing was done.',
                )
            self._open()
            self._oauth_source("oauth2-device").authorise(tell)
            self._announcer().authorised(actor())

    def review(
        self,
        state: State,
        *,
        limit: int,
        since: float = float("-inf"),
        sender: str | None = None,
        evidence: str | None = None,
        known: bool = False,
    ) -> list[Listed]:
        """The messages of a state, newest first, with what the mailbox says of them at this moment.

        limit: of them at most so many. since: received at that time (epoch s) or later. sender: with this in the
        sender's name or address. evidence: a source whose evidence counts. known: only those of known senders.
        """
        with self._visit() as (session, _):
            self._announcer().shown(actor(), f"{_LIST[state]} list")
            of_known = {waiting.key for waiting in in_junk(self._journal.database) if waiting.known}
            records = [
                record
                for record in self._journal.messages.in_state(state, since=since)
                if (not known or record.key in of_known) and (evidence is None or evidence in _sources(record))
            ]
            if sender is None:
                records = records[:limit]
            found = Review(self._limits()).listed(session, records, known=of_known, sender=sender)
            return list(islice(found, limit))

    def show(self, key: str) -> Shown:
        """One message, read from the mailbox at this moment."""
        with self._visit() as (session, _):
            record = self._known([key])[0]
            self._announcer().shown(actor(), f"{_LIST.get(record.state, 'message')} show", key)
            reviewed(self._journal.database, key, self._clock())
            try:
                return Review(self._limits()).shown(session, record)
            except NotThere as problem:
                raise Failure(ExitCode.FINDING, str(problem)) from problem

    def ask(self, kind: IntentKind, keys: Sequence[str], reason: str) -> str:
        """Have messages released or tried again: by the running worker, or here when there is none.

        Returns what happens now, for a person.
        """
        with self._explained():
            self._open()
            for record in self._known(keys):
                _must_be_fit(kind, record)
            Intents(self._journal.database).ask(kind, keys, reason=reason, actor=actor(), now=self._clock())
            self._announcer().asked(actor(), kind, keys, reason)
            lease = self._lease
            if not lease.acquire():
                return "Written down: the running worker does it with its next poll."
        try:
            with lease.kept(), self._visit() as (session, _):
                self._carry_out()(session)
        except Failure as failure:
            raise Failure(failure.code, f"Written down, and done when the worker logs in next. {failure}") from failure
        finally:
            lease.release()
        return "Back in the mailbox: the next `nhsmail-worker run` or `once` handles it."

    def _known(self, keys: Sequence[str]) -> list[Record]:
        found = {record.key: record for record in self._journal.messages.with_keys(keys)}
        unknown = [key for key in keys if key not in found]
        if unknown:
            raise Failure(
                ExitCode.USAGE,
                f"No message has the key {', '.join(unknown)}. Nothing was done. `nhsmail-worker junk list` and "
                "`nhsmail-worker failed list` show the keys.",
            )
        return [found[key] for key in keys]

    def pause(self) -> None:
        """Hand over and settle nothing until resumed."""
        with self._explained():
            self._open()
            self._journal.facts.pause(actor(), self._clock())
            self._announcer().paused(actor())

    def resume(self) -> None:
        """Let the work go on."""
        with self._explained():
            self._open()
            self._journal.facts.resume()
            self._announcer().resumed(actor())

    def audit_verify(self) -> Verification:
        """Hold the audit trail against itself and against the journal."""
        with self._explained():
            self._open()
            return self._observe().audit.verify()

    def audit_entries(self) -> Iterator[dict[str, Any]]:
        """Every line of the audit trail, one chain after another, oldest first."""
        with self._explained():
            self._open()
            yield from self._observe().audit.entries()

    # -- building ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _visit(self) -> Iterator[tuple[Session, list[FolderInfo]]]:
        """A session of a command's own, beside a running worker: without the lease, and never on the last attempt."""
        with self._explained():
            self._open()
            session = self._new_session()
            try:
                folders = log_in(session, self._guard(), keep_last=True)
                self._layout.junk = find_junk(folders, self.settings.junk.folder)
                require(folders, self._layout.watched)
                yield session, folders
            finally:
                session.close()

    def _open(self) -> None:
        self._journal.open(self.settings.account.address)

    def _observe(self, command: str | None = None) -> Observing:
        if self._observing is None:
            login = self._reading_guard().status
            name = "" if command is None else self._lease.name
            self._observing = Observing(self.settings, self._journal, login, self._clock, command=command, replica=name)
        return self._observing

    def _build_cycle(self, drain: Drain, observing: Observing) -> tuple[Cycle, Hands]:
        settings, messages = self.settings, self._journal.messages
        try:
            self._handlers = load_handlers(settings)
        except SettingsError as error:
            raise Failure(ExitCode.CONFIGURATION, _faults(error)) from error
        attempt = Try(self._router(), self._handlers_by_path(), self._monotonic, observing.metrics.handled)
        hands = Hands(observing.working(attempt), settings.work.threads, may_begin=self._lease.is_held)
        settle = self._settle()
        guard = self._guard()
        cycle = Cycle(
            lease=self._lease,
            connector=Connector(
                new_session=self._new_session,
                guard=guard,
                layout=self._layout,
                junk_setting=settings.junk.folder,
                targets=self._targets(),
                check=settle.check,
            ),
            facts=self._journal.facts,
            idle=settings.poll.idle,
            reconnect=[wait.total_seconds() for wait in settings.poll.reconnect],
            clock=self._clock,
            monotonic=self._monotonic,
            messages=messages,
            check_age=guard.check_age,
            watching=observing,
            delete_handled_after=settings.settle.delete_handled_after,
        )
        admission = Admission(
            messages,
            account=settings.account.address,
            layout=self._layout,
            classify=self._classify(),
            clock=self._clock,
            sender_of=self._senders(),
            on_moved_out=self._on_moved_out(),
        )
        recorder = Recorder(
            messages=messages,
            hands=hands,
            targets=Targets(settings.settle.handled, settings.settle.failed, settings.settle.junk),
            layout=self._layout,
            backoff=_Backoff(settings),
            flush=self._flush,
            clock=self._clock,
            on_outcome=_counting(drain),
            watching=observing,
        )
        fetch = Fetch(
            messages=messages,
            hands=hands,
            recorder=recorder,
            layout=self._layout,
            limits=self._limits(),
            deaths=settings.limits.deaths,
            headers_only=self._headers_only,
            seek=admission.seek,
            run=replica(),
        )
        cycle.pipeline = Pipeline(
            poll=Poll(messages, self._layout, settings.poll.since),
            admission=admission,
            fetch=fetch,
            hands=hands,
            recorder=recorder,
            settle=settle,
            carry_out=self._carry_out(),
            messages=messages,
            bounds=Bounds(
                batch_bytes=settings.poll.batch_bytes,
                batch_count=settings.poll.batch_count,
                patience=settings.poll.every.total_seconds(),
            ),
            go_on=cycle.go_on,
            clock=self._clock,
            on_new=drain.found,
            watching=observing,
        )
        return cycle, hands

    def _reading_guard(self) -> Guard:
        """A guard that is only asked how the login stands: it has nothing to tell, and needs no audit trail."""
        return self._guard(notify=lambda _event, _fields: None)

    def _guard(self, notify: Notify | None = None) -> Guard:
        settings, lockout = self.settings, self.settings.lockout
        database = self._journal.database
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
            clock=self._clock,
            random=random.SystemRandom(),
            actor=replica(),
            notify=self._announcer() if notify is None else notify,
        )

    def _announcer(self) -> Announcer:
        observing = self._observe()
        return Announcer(observing.audit, observing.metrics.attempted)

    def _router(self) -> Router:
        kinds = self.settings.junk.kinds
        own = {
            Kind.MALWARE: kinds.malware,
            Kind.PHISHING: kinds.phishing,
            Kind.BULK: kinds.bulk,
            Kind.SPAM: kinds.spam,
        }
        given = {kind: names for kind, names in own.items() if names is not None}
        return Router(self.settings.routes, self.settings.junk.handlers, given)

    def _handlers_by_path(self) -> dict[MailPath, dict[str, Handler]]:
        """Each path has its own: what isn't named for junk doesn't exist there."""
        clean = {name for route in self.settings.routes for name in route.handlers}
        junk = junk_handlers(self.settings)
        return {
            MailPath.CLEAN: {name: handler for name, handler in self._handlers.items() if name in clean},
            MailPath.JUNK: {name: handler for name, handler in self._handlers.items() if name in junk},
        }

    def _source(self) -> CredentialSource:
        """Where the credential comes from: the password itself, or one of the OAuth flows."""
        account = self.settings.account
        return self._password_source() if account.auth == "password" else self._oauth_source(account.auth)

    def _password_source(self) -> PasswordSource:
        account = self.settings.account
        value = None if account.password is None else account.password.get_secret_value()
        return PasswordSource(account.address, file=account.password_file, value=value, mode=account.password_file_mode)

    def _oauth_source(self, flow: Flow) -> OAuthSource:
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

    def _new_session(self) -> Session:
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

    def _carry_out(self) -> CarryOut:
        intents = Intents(self._journal.database)
        return CarryOut(intents, self._journal.messages, self._settle(), self._layout, self._clock)

    @cached_property
    def _lease(self) -> Lease:
        """The one lease of this process; from now on what is written of messages is fenced by it."""
        lease = Lease(
            self._journal.database, self.settings.state.dir, replica(), clock=self._clock, monotonic=self._monotonic
        )
        self._journal.messages.fenced_by(lease.fence)
        return lease

    def _settle(self) -> Settle:
        return Settle(self._journal.messages, account=self.settings.account.address, clock=self._clock)

    def _targets(self) -> list[str]:
        settle = self.settings.settle
        return [name for name in (settle.handled, settle.failed, settle.junk) if name not in (KEEP, "auto")]

    def _limits(self) -> Limits:
        return Limits(**self.settings.limits.model_dump(exclude={"deaths"}))

    def _classify(self) -> Classify:
        junk = self.settings.junk
        policy = JunkPolicy(
            scl=junk.scl,
            bcl=junk.bcl,
            sources=frozenset(junk.sources),
            categories=SPAM_CATEGORIES if junk.categories is None else frozenset(junk.categories),
            provider_hosts=PROVIDER_HOSTS if junk.provider_hosts is None else junk.provider_hosts,
            believe_without_provider=junk.believe_without_provider,
        )

        def judge(headers: Headers, in_junk_folder: bool, keywords: frozenset[str]) -> Verdict:
            return classify(headers, in_junk_folder=in_junk_folder, keywords=keywords, policy=policy)

        return judge

    def _senders(self) -> Senders:
        known = self.settings.junk.known_senders
        return Senders(read_key(self.settings.state.dir), any_pattern(known or ()))

    def _on_moved_out(self) -> Callable[[Record], None] | None:
        if self.settings.junk.moved_out == "judge":
            return None
        announcer = self._announcer()
        return lambda record: announcer.moved_out(record.key)

    def _headers_only(self, verdict: Verdict) -> bool:
        """Whether no handler of this path wants more than the headers, so that the body isn't even fetched."""
        return verdict.path is MailPath.JUNK and all(
            getattr(self._handlers[name].call, "headers_only", False) for name in junk_handlers(self.settings)
        )

    def _flush(self) -> None:
        for handler in self._handlers.values():
            handler.flush()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what can go wrong into a text and an exit code."""
        try:
            yield
        except KNOWN as error:
            if isinstance(error, LoginFailed):
                raise self._login_failure() from error
            raise failure_of(error, host=self.settings.account.host) from error
        except (LeaseHeld, Paused) as problem:
            raise Failure(ExitCode.NOT_NOW, str(problem)) from problem
        except (Cooling, LastAttempt) as refusal:
            raise Failure(ExitCode.NOT_NOW, refusal.advice) from refusal
        except NoAttempt as refusal:
            raise Failure(ExitCode.HALTED, refusal.advice) from refusal
        except AttemptInProgress as problem:
            raise Failure(ExitCode.NOT_NOW, str(problem)) from problem
        except (CredentialUnavailable, AuditUnavailable, UnusableKey) as problem:
            raise Failure(ExitCode.CONFIGURATION, str(problem)) from problem
        except SettingsError as error:
            raise Failure(ExitCode.CONFIGURATION, _faults(error)) from error
        except Stop:
            raise Failure(ExitCode.NOT_NOW, "Stopped before the mailbox was drained; nothing is lost.") from None

    def _login_failure(self) -> Failure:
        guard = self._guard()
        halted = guard.status().standing.state.value == "halted"
        return Failure(ExitCode.HALTED if halted else ExitCode.NOT_NOW, guard.advice())


_LIST = {State.JUNK: "junk", State.FAILED: "failed"}


def _sources(record: Record) -> set[str]:
    return set() if record.verdict is None else {piece.source for piece in record.verdict.evidence if piece.counts}


def _must_be_fit(kind: IntentKind, record: Record) -> None:
    """Refuse what can't be meant: to release what isn't junk, to retry what hasn't failed."""
    junk = record.verdict is not None and record.verdict.path is MailPath.JUNK
    if kind is IntentKind.RELEASE and not junk:
        raise Failure(ExitCode.USAGE, f"The message {record.key} isn't junk but {record.state}. Nothing was done.")
    if kind is IntentKind.RETRY and record.state is not State.FAILED:
        text = f"The message {record.key} is no dead letter but {record.state}. Nothing was done."
        raise Failure(ExitCode.USAGE, text)


class _Backoff:
    """The routes' tries and waits, and those of the junk path; for what comes to no route, the last route's."""

    def __init__(self, settings: Settings) -> None:
        self._routes: dict[str, RouteSettings | JunkSettings] = {route.name: route for route in settings.routes}
        self._routes[JUNK_ROUTE] = settings.junk
        self._last = settings.routes[-1]

    def after_failure(self, route: str | None, failures: int) -> timedelta | None:
        """The wait before the next try; None: that was the last."""
        rule = self._routes.get(route or "", self._last)
        if failures >= rule.tries:
            return None
        return rule.waits[min(failures, len(rule.waits)) - 1]


def _counting(drain: Drain) -> Any:
    def count(record: Record, result: Result) -> None:
        del record
        if result.state is not State.PENDING:
            drain.finished()

    return count


def _faults(error: SettingsError) -> str:
    count = len(error.faults)
    return "\n".join(
        [
            f"The configuration has {count} fault{'s' if count != 1 else ''}; no connection was made.",
            *(f"  - {fault}" for fault in error.faults),
        ]
    )
