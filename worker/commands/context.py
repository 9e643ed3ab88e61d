"""The commands: each starts and stops the parts that it needs, and says what it came to."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from worker import __version__
from worker.commands.exits import ExitCode, Failure
from worker.commands.failures import KNOWN, failure_of, faulty, sign_in_code
from worker.commands.shown import Listed, NotThere, Review, Shown
from worker.commands.wiring.shared import Parts
from worker.handling.loading import check_handlers, load_handlers
from worker.journal.database import JournalDamaged
from worker.journal.intents import Intents
from worker.journal.intents import Kind as IntentKind
from worker.journal.junk_review import in_junk, reviewed
from worker.journal.lease import HEARTBEAT
from worker.journal.records import Record
from worker.login.advice import Help, not_signed_in
from worker.login.credential import CredentialUnavailable
from worker.login.mutex import AttemptInProgress
from worker.login.refusals import Cooling, LastAttempt, NoAttempt, ReasonMissing
from worker.logs import configure_logging, get_logger
from worker.logs.who import actor, replica
from worker.loop.connection import log_in
from worker.loop.cycle import Cycle
from worker.loop.drain import Drained, LeaseHeld, Paused
from worker.loop.signals import ENDING_SIGNALS, Ending
from worker.mailbox.errors import LoginFailed
from worker.mailbox.folders import FolderInfo, find_junk, missing, require
from worker.mailbox.session import Session
from worker.message.outcome import State
from worker.observe.audit.trail import AuditUnavailable
from worker.observe.audit.verify import Verification
from worker.observe.background import about
from worker.observe.progress import Drain
from worker.observe.status import view
from worker.observe.view import status_json
from worker.pipeline.admit import NO_HEADER
from worker.pipeline.known_senders import UnusableKey
from worker.pipeline.preview import Foreseen, Preview
from worker.pipeline.record import KEEP
from worker.pipeline.report import Stop
from worker.pipeline.requests import is_junk
from worker.reconcile.balance import Balance, Reconcile
from worker.reconcile.rebuild import Rebuild, Rebuilt
from worker.settings import Settings, SettingsError, check_files, check_state_dir, load

log = get_logger()

REBUILD = "journal rebuild"
"""Who pauses a new journal until what the mailbox holds is entered."""


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
        self._parts = Parts(settings)

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
            raise faulty(error) from error
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
        self._parts.close()

    # -- the commands --------------------------------------------------------------------------------------------------

    def run(self, end: Ending) -> ExitCode:
        """Poll until `end` returns."""
        with self._explained():
            self._open()
            observing = self._parts.observing("run")
            cycle, hands = self._parts.cycle(Drain(), observing)
            observing.open()
        from worker.loop.idle import Watcher  # `once` needs no scheduler, and needn't wait for it
        from worker.loop.schedule import Schedule  # `once` needs no scheduler, and needn't wait for it

        settings = self.settings
        schedule = Schedule(cycle, settings.poll.every, cycle.heartbeat, HEARTBEAT)
        observing.health.watch(schedule.alive)
        watcher = Watcher(schedule.wake)
        cycle.watch_with(watcher.watch)
        hands.on_finished = schedule.wake
        log.info("worker.started", account=settings.account.address, replica=replica(), version=__version__)
        observing.started()
        with self._ended(cycle) as stop:

            def ending() -> None:
                observing.health.stopping()
                stop()

            received = schedule.run(end, ending=ending)
        watcher.close()
        hands.close()
        observing.stopped(code=ExitCode.DONE, reason=received.name)
        observing.close()
        log.info("worker.stopped")
        return ExitCode.DONE

    def once(self, drain: Drain) -> Summary:
        """Drain the mailbox and end.

        Raises:
            Failure: the mailbox could not be drained; it says what was done before that.
        """
        drained = Drained()
        try:
            return self._once(drain, drained)
        except Failure as failure:
            if not drained:
                raise
            done = Summary(drained, self.settings.settle.failed).text()
            raise Failure(failure.code, f"{failure}\nDone before that: {done}") from failure

    def _once(self, drain: Drain, drained: Drained) -> Summary:
        """As `once`; in `drained` is what was done, also where it failed."""
        with self._explained():
            self._open()
            observing = self._parts.observing("once")
            cycle, hands = self._parts.cycle(drain, observing)
            cycle.drained = drained
            observing.started()
        code, reason = ExitCode.FAULT, "failed"
        try:
            with self._explained(), self._ended(cycle) as stop:
                for ending in ENDING_SIGNALS:
                    signal.signal(ending, lambda _number, _frame: stop())
                with self._parts.lease.kept():
                    summary = Summary(cycle.drain(), self.settings.settle.failed)
            code, reason = summary.exit_code, "drained"
        except Failure as failure:
            code, reason = failure.code, type(failure.__context__ or failure).__name__
            raise
        except Exception as error:
            reason = type(error).__name__
            raise
        else:
            return summary
        finally:
            hands.close()
            observing.stopped(code=code, reason=reason)

    @contextmanager
    def _ended(self, cycle: Cycle) -> Iterator[Callable[[], None]]:
        """End the cycle after the block. Gives what to call, any number of times, when the process is to end: what
        isn't over within the grace period is then broken off."""
        grace = self.settings.work.grace.total_seconds()
        impatience = threading.Timer(grace, cycle.abort)
        impatience.daemon = True

        def stop() -> None:
            cycle.stop()
            if impatience.ident is None:
                impatience.start()

        try:
            yield stop
        finally:
            cycle.end(grace)
            impatience.cancel()

    def check(self) -> list[str]:
        """What was found to be well. Each handler is built, to see that it can be, and closed again.

        Raises:
            Failure: with all that is wrong.
        """
        settings = self.settings
        with self._explained():
            for handler in load_handlers(settings).values():
                handler.close()
        account = settings.account
        sound = (
            f"The configuration is sound: {account.address} at {account.host}:{account.port}, "
            f"{len(settings.routes)} route(s), state in {settings.state.dir}."
        )
        return [sound] + [f"Route '{r.route}' can never match: {r.reason}." for r in self._parts.router().unreachable()]

    def before_connecting(self) -> str:
        """What `check --connect` says before it spends an attempt; empty where none is made: the refusal says why."""
        with self._explained():
            self._open()
            standing = self._parts.guard().foresee()
        if standing is None:
            return ""
        account = self.settings.account
        begun = f"Logging in once as {account.address}."
        if standing.kind == "token":
            return (
                f"{begun} No password is sent. Should the server reject the token, that counts towards token_attempts "
                f"({standing.remaining_for_credential} left)."
            )
        where = "server" if account.auth == "password" else "sign-in service"
        return (
            f"{begun} Should the {where} reject the password, that spends one of the {standing.remaining} attempts "
            f"that the worker has left ({standing.remaining_for_credential} with this password)."
        )

    def check_connection(self) -> list[str]:
        """Log in once and look at the folders."""
        with self._visit() as (session, folders):
            self._parts.settle().check(session)
            watched = ", ".join(self._parts.layout.watched)
            lines = [f"Logged in. {len(folders)} folders; watched: {watched}; junk is '{self._parts.layout.junk}'."]
            absent = missing(folders, self._parts.targets())
            if absent:
                lines.append(f"Not there yet, and created when the worker runs: {', '.join(absent)}.")
            return lines

    def status(self) -> dict[str, Any]:
        """The contract's `status --json`."""
        with self._explained():
            self._parts.journal = self._parts.journal.to_read(self.settings.account.address)
            login = self._parts.reading_guard().status()
            return status_json(view(self._parts.journal, about(self.settings), login, self._parts.clock()))

    def reconcile(self) -> Balance:
        """Hold every message against the journal. Reads only; works beside a running worker."""
        with self._visit() as (session, _):
            return Reconcile(self._parts.journal.messages, self._parts.walk()).balance(session)

    def compact(self) -> int:
        """Forget rows of mail that was settled long ago and is nowhere any more; returns how many."""
        with self._visit() as (session, _):
            return self._parts.compact(session)

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
        lease = self._parts.lease
        try:
            with self._explained():
                damaged = self._open_or_set_aside()
                if not lease.acquire():
                    raise Failure(ExitCode.NOT_NOW, _RUNNING)
                self._pause_until_rebuilt()
            with lease.kept(), self._visit() as (session, _):
                rebuild = Rebuild(
                    self._parts.journal.messages,
                    self._parts.walk(),
                    handled=None if settle.handled == KEEP else settle.handled,
                    failed=settle.failed,
                    junk=self._junk_folders(),
                    assume_handled_before=assume_handled_before,
                    clock=self._parts.clock,
                )
                rebuilt = rebuild(session)
                self._parts.announcer().rebuilt(actor(), rebuilt.handled + rebuilt.junk + rebuilt.failed)
                self._parts.journal.facts.resume(REBUILD)
                return rebuilt, damaged
        finally:
            lease.release()

    @property
    def is_paused(self) -> bool:
        """Whether somebody has paused the work, and nobody ended that."""
        return self._parts.journal.facts.paused() is not None

    def _junk_folders(self) -> list[str]:
        """Where the mailbox keeps junk, and where we do, if that is a folder of its own."""
        ours = self.settings.settle.junk
        return [self._parts.layout.junk] + ([] if ours in (KEEP, "auto") else [ours])

    def _open_or_set_aside(self) -> Path | None:
        """Open the journal; a damaged one is kept under another name, unless a worker has it open."""
        try:
            self._open()
        except JournalDamaged:
            if not self._parts.lease.reserve():
                raise Failure(ExitCode.NOT_NOW, _RUNNING) from None
            kept = self._parts.journal.replace_damaged(self.settings.account.address, REBUILD)
            self._open()
            return kept
        return None

    def _pause_until_rebuilt(self) -> None:
        """Whatever happens here, no worker takes a journal that isn't rebuilt yet for one of a mailbox that is new."""
        facts = self._parts.journal.facts
        if facts.last_poll() is None and facts.paused() is None:
            facts.pause(REBUILD, self._parts.clock())

    def preview(self) -> list[Foreseen]:
        """What each message would come to, were the mailbox drained now."""
        with self._visit() as (session, _):
            preview = Preview(
                self._parts.journal.messages,
                self._parts.journal.places,
                account=self.settings.account.address,
                layout=self._parts.layout,
                classify=self._parts.classify(),
                routes=self._parts.router(),
                limits=self._parts.limits(),
                since=self.settings.poll.since,
            )
            return list(preview.foresee(session))

    def login_status(self) -> tuple[dict[str, Any], str]:
        """The login's part of the status, and what a person should know and do about it."""
        found = self.status()
        return found["login"], self._parts.reading_guard().advice()

    def login_reset(self, reason: str, *, again: bool) -> None:
        """Forget all failures: a person says that the account is unlocked."""
        with self._explained():
            self._open()
            self._parts.guard().reset(reason, actor=actor(), again=again)

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
            try:
                self._parts.oauth_source("oauth2-device").authorise(tell)
            except LoginFailed as failed:
                account, help_ = self.settings.account, self.settings.help
                text = not_signed_in(
                    failed.failure,
                    Help(help_.local_administrator, help_.helpdesk),
                    account=account.address,
                    authority=urlsplit(account.oauth.authority).hostname or account.oauth.authority,
                )
                raise Failure(sign_in_code(failed.failure), text) from failed
            self._parts.announcer().authorised(actor())

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
            self._parts.announcer().shown(actor(), f"{_LIST[state]} list")
            of_known = {waiting.key for waiting in in_junk(self._parts.journal.database) if waiting.known}
            records = [
                record
                for record in self._parts.journal.messages.in_state(state, since=since)
                if (not known or record.key in of_known) and (evidence is None or evidence in _sources(record))
            ]
            if sender is None:
                records = records[:limit]
            found = Review(self._parts.limits()).listed(session, records, known=of_known, sender=sender)
            return list(islice(found, limit))

    def show(self, key: str) -> Shown:
        """One message, read from the mailbox at this moment."""
        with self._visit() as (session, _):
            record = self._known([key])[0]
            self._parts.announcer().shown(actor(), f"{_LIST.get(record.state, 'message')} show", key)
            try:
                shown = Review(self._parts.limits()).shown(session, record)
            except NotThere as problem:
                raise Failure(ExitCode.FINDING, str(problem)) from problem
            reviewed(self._parts.journal.database, key, self._parts.clock())
            return shown

    def ask(self, kind: IntentKind, keys: Sequence[str], reason: str) -> str:
        """Have messages released or tried again: by the running worker, or here when there is none.

        Returns what happens now, for a person.
        """
        with self._explained():
            self._open()
            for record in self._known(keys):
                _must_be_fit(kind, record)
            self._parts.announcer().asked(actor(), kind, keys, reason)
            Intents(self._parts.journal.database).ask(kind, keys, reason=reason, actor=actor(), now=self._parts.clock())
            if self._parts.journal.facts.paused() is not None:
                return "Written down. The worker is paused: it is done after `nhsmail-worker resume`."
            lease = self._parts.lease
            if not lease.acquire():
                return "Written down: the running worker does it with its next poll."
        carry_out = self._parts.carry_out()
        try:
            with lease.kept(), self._visit() as (session, _):
                carry_out(session)
        except Failure as failure:
            raise Failure(failure.code, f"Written down, and done when the worker logs in next. {failure}") from failure
        finally:
            lease.release()
        if absent := [key for key in keys if key in carry_out.absent]:
            raise Failure(
                ExitCode.FINDING,
                f"Not where it lay: {', '.join(absent)}. Somebody has moved or deleted it, or the mailbox was moved. "
                "It is handled if the next `nhsmail-worker run` or `once` finds it in a watched folder, and `gone` "
                "otherwise.",
            )
        return "Back in the mailbox: the next `nhsmail-worker run` or `once` handles it."

    def _known(self, keys: Sequence[str]) -> list[Record]:
        found = {record.key: record for record in self._parts.journal.messages.with_keys(keys)}
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
            self._parts.journal.facts.pause(actor(), self._parts.clock())
            self._parts.announcer().paused(actor())

    def resume(self) -> None:
        """Let the work go on."""
        with self._explained():
            self._open()
            self._parts.journal.facts.resume()
            self._parts.announcer().resumed(actor())

    def audit_verify(self, *, every: bool = False) -> Verification:
        """Hold the audit trail against itself and against the journal. every: miss other hosts' chains too."""
        state = self.settings.state
        shared = (state.journal is not None or state.journal_file is not None) and not every
        with self._explained():
            self._open()
            return self._parts.observing().audit.verify(shared=shared)

    def audit_entries(self) -> Iterator[dict[str, Any]]:
        """Every line of the audit trail, one chain after another, oldest first."""
        with self._explained():
            self._open()
            yield from self._parts.observing().audit.entries()

    # -- what commands have in common ----------------------------------------------------------------------------------

    @contextmanager
    def _visit(self) -> Iterator[tuple[Session, list[FolderInfo]]]:
        """A session of a command's own, beside a running worker: without the lease, and never on the last attempt."""
        with self._explained():
            self._open()
            session = self._parts.new_session()
            try:
                folders = log_in(session, self._parts.guard(), keep_last=True)
                self._parts.layout.junk = find_junk(folders, self.settings.junk.folder)
                require(folders, self._parts.layout.watched)
                yield session, folders
            finally:
                session.close()

    def _open(self) -> None:
        self._parts.journal.open(self.settings.account.address)

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
        except ReasonMissing as missing:
            raise Failure(ExitCode.USAGE, str(missing)) from missing
        except (Cooling, LastAttempt) as refusal:
            raise Failure(ExitCode.NOT_NOW, refusal.advice) from refusal
        except NoAttempt as refusal:
            raise Failure(ExitCode.HALTED, refusal.advice) from refusal
        except AttemptInProgress as problem:
            raise Failure(ExitCode.NOT_NOW, str(problem)) from problem
        except (CredentialUnavailable, AuditUnavailable, UnusableKey) as problem:
            raise Failure(ExitCode.CONFIGURATION, str(problem)) from problem
        except SettingsError as error:
            raise faulty(error) from error
        except Stop:
            raise Failure(ExitCode.NOT_NOW, "Stopped before the mailbox was drained; nothing is lost.") from None

    def _login_failure(self) -> Failure:
        guard = self._parts.guard()
        halted = guard.status().standing.state.value == "halted"
        return Failure(ExitCode.HALTED if halted else ExitCode.NOT_NOW, guard.advice())


_RUNNING = "A worker is running. Stop it first; nothing was done."
_LIST = {State.JUNK: "junk", State.FAILED: "failed"}


def _sources(record: Record) -> set[str]:
    return {piece.source for piece in record.verdict.evidence if piece.counts}


def _must_be_fit(kind: IntentKind, record: Record) -> None:
    """Refuse what can't be meant: to release what isn't junk, to retry what hasn't failed."""
    if kind is IntentKind.RELEASE and not is_junk(record):
        raise Failure(ExitCode.USAGE, f"The message {record.key} isn't junk but {record.state}. Nothing was done.")
    if kind is IntentKind.RETRY and record.state is not State.FAILED:
        text = f"The message {record.key} is no dead letter but {record.state}. Nothing was done."
        raise Failure(ExitCode.USAGE, text)
    if kind is IntentKind.RETRY and record.reason == NO_HEADER:
        raise Failure(
            ExitCode.USAGE,
            f"Of the message {record.key} the server never showed a header. Nothing was done. Once a mail program "
            "shows it, move it from there into the inbox: it is then taken as new mail.",
        )
