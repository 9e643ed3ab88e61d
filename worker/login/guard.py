"""The login guard: the one door through which a credential leaves the process.

The budget is the account's, not the password's, and is counted in the journal: a restart, a crash loop, a second
replica or a lost answer refills nothing. A credential is only handed out by `Attempt.credential()`, which returns after
the attempt's row and its witness are on the disk. Whatever happens next, short of the server's OK to the login and to
the first mailbox command, the attempt is written down as what it came to, and counts where it may have counted there.

    with guard.attempt() as attempt:            # raises NoAttempt and its kin: nothing was sent
        session.connect()                       # fails here: nothing is spent
        session.login(attempt.credential())     # the row is on the disk before this returns
        attempt.logged_in()
        session.first_command()
        attempt.first_command_ok()              # the count is 0 again
"""

import random as random_module
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, Literal

from worker.journal.attempts import CONNECTION, DOUBT, RESET, SUCCEEDED, AttemptLedger, History
from worker.journal.database import JournalUnavailable
from worker.login import advice
from worker.login.advice import Help
from worker.login.backoff import Lockout
from worker.login.credential import Candidate, Credential, CredentialSource, Token
from worker.login.fingerprint import COST, Fingerprinter
from worker.login.login_status import POLICY, LoginStatus, kind_of, login_status, password_age
from worker.login.mutex import AttemptInProgress, AttemptMutex
from worker.login.password_policy import DAY, PasswordPolicy, is_previous, policy_named, warning_stage
from worker.login.refusals import Cooling, CredentialRefused, Halted, LastAttempt, ReasonMissing, ResetNeedsAgain
from worker.login.standing import Standing, State, stand
from worker.login.witness import Testimony, Untrusted, Witness, doubt
from worker.mailbox.errors import (
    ConnectionLost,
    LoginFailed,
    MailboxError,
    ProtocolFault,
    ServerUnavailable,
    Throttled,
    TlsRefused,
    TokenExpired,
)
from worker.mailbox.login_failures import FailureClass, Kind, LoginFailure, failure

Notify = Callable[[str, Mapping[str, object]], None]
"""Told of every event (`login.attempt`, …) with its fields, none of them secret; must not raise."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the guard goes by, from the settings. max_age and warn in seconds; changed in epoch s, None: not known."""

    account: str
    lockout: Lockout = field(default_factory=Lockout)
    policy: PasswordPolicy = field(default_factory=lambda: policy_named("nhsmail"))
    max_age: float = 90 * DAY
    warn: float = 14 * DAY
    changed: float | None = None
    help: Help = field(default_factory=Help)


class Guard:
    """Lets attempts through, one at a time, as long as the account can't be locked by them.

    actor: the replica, or the operating-system user of a command. cost: scrypt's n, smaller in tests only.
    """

    def __init__(
        self,
        *,
        ledger: AttemptLedger,
        witness: Witness,
        mutex: AttemptMutex,
        source: CredentialSource,
        rules: Rules,
        clock: Callable[[], float],
        random: random_module.Random,
        actor: str,
        notify: Notify,
        cost: int = COST,
    ) -> None:
        self._ledger = ledger
        self._witness = witness
        self._mutex = mutex
        self._source = source
        self._rules = rules
        self._clock = clock
        self._random = random
        self._actor = actor
        self._notify = notify
        self._cost = cost
        self._unrecorded: tuple[int, _Result] | None = None
        self._announced: tuple[object, ...] | None = None
        self._token_is_over = False
        self._watched: int | None = None

    # -- for the worker and its commands -------------------------------------------------------------------------------

    @contextmanager
    def attempt(self, *, keep_last: bool = False) -> Iterator["Attempt"]:
        """One attempt, under the attempt mutex, for as long as the block lasts. Whatever the block raises goes on.

        keep_last: refuse the last attempt of the budget or of the credential, for commands beside the worker.

        Raises:
            Cooling, Halted, CredentialRefused, LastAttempt: not now; with what to tell a person.
            CredentialUnavailable: there is no credential to send.
            AttemptInProgress: another process is at it.
            JournalUnavailable: no durable count, no login.
        """
        with self._mutex.hold():
            granted = self._grant(keep_last=keep_last)
            attempt = Attempt(self, granted)
            try:
                yield attempt
            except BaseException as error:
                self._fell(attempt, error)
                raise
            else:
                self._ended(attempt)

    def token_expired(self) -> None:
        """The server ended a session since its token had run out: the next attempt gets a fresh one."""
        self._token_is_over = True

    def keep_watch(self) -> None:
        """Let this host's witness know of every host's attempts, so that any of them finds out a journal which is
        restored later. To be called every few seconds; it costs one read while nothing has happened.

        Raises:
            JournalUnavailable
        """
        if not self._ledger.shared:
            return  # one host, whose witness sees every attempt
        head, seen = self._ledger.head(), self._testimony()
        is_known = head == 0 or (isinstance(seen, Testimony) and seen.number >= head)
        if head == self._watched and is_known:
            return
        with suppress(AttemptInProgress), self._mutex.hold(wait=False):
            history, seen = self._history()
            if history.epoch is not None and (seen is None or seen.number < history.head):
                self._witness.write(Testimony(history.epoch, history.head, self._at_most(history)))
            self._watched = history.head

    def status(self) -> LoginStatus:
        """Where the login stands, from the journal alone."""
        rules = self._rules
        return login_status(
            self._ledger, rules.lockout, max_age=rules.max_age, changed=rules.changed, now=self._clock()
        )

    def advice(self) -> str:
        """What to tell a person about where the login stands."""
        found = self.status()
        if found.detail is not None and found.standing.reason == POLICY:
            return self._refusal([found.detail])
        return self._advice(found.standing)

    def foresee(self) -> Standing | None:
        """How it stands for what a command beside the worker would send; None: it would be refused. Leaves no trace.

        Raises:
            CredentialUnavailable, JournalUnavailable
        """
        candidate = self._source.candidate()
        history, seen = self._ledger.history(), self._testimony()
        maker = Fingerprinter(self._ledger.salt(), self._cost)
        password = candidate.password
        if password is not None and self._faults(password, maker.of("password", password)):
            return None
        standing = self._stand(history, candidate, maker.of(candidate.kind, candidate.identity))
        if candidate.kind == "password" and doubt(history, seen, shared=self._ledger.shared) is not None:
            return None
        ready = standing.state is State.READY and not _is_last(standing)
        return standing if ready else None

    def reset(self, reason: str, *, actor: str, again: bool = False) -> None:
        """Forget all failures: a person says that the account is unlocked.

        Raises:
            ReasonMissing: the reason says nothing.
            ResetNeedsAgain: the last reset has had no success since, and `again` wasn't given.
        """
        if not reason.strip():
            raise ReasonMissing
        with self._mutex.hold():
            history = self._ledger.history()
            if history.reset_unproven and not again:
                raise ResetNeedsAgain(advice.reset_again())
            seen = self._testimony()
            epoch = history.epoch or _epoch(seen)
            self._ensure_witness(seen, epoch)
            number = self._ledger.append(
                after=history.head,
                floor=_floor(seen),
                epoch=epoch,
                kind=RESET,
                actor=actor,
                at=self._clock(),
                outcome=_about(history),
                note=reason,
            )
            self._witness.write(Testimony(epoch, number, failures=0))
        self._announced = None
        counts = {"failures": _failures(history), "remaining": self._rules.lockout.budget}
        self._notify("login.reset", {"actor": actor, "reason": reason, "again": again} | counts)

    def check_age(self) -> None:
        """Warn of the password's end where a warning is due: `password.expiring`, each stage once."""
        rules, now, history = self._rules, self._clock(), self._ledger.history()
        age = password_age(history, self._ledger.credentials(), max_age=rules.max_age, changed=rules.changed, now=now)
        stage = None if age is None else warning_stage(age, rules.warn, now)
        if age is None or stage is None:
            return
        mark = f"{history.password} {age.expires_at:.0f} {stage}"
        if self._ledger.warned() != mark:
            self._ledger.warn(mark)
            fields = {"days_left": age.days_left, "expires_at": advice.moment(age.expires_at)}
            self._notify("password.expiring", fields)

    # -- before an attempt ---------------------------------------------------------------------------------------------

    def _grant(self, *, keep_last: bool) -> "_Granted":
        self._record_what_is_due()
        candidate = self._source.candidate()
        history, seen = self._history()
        fingerprint = self._known(candidate, _failures(history))
        standing = self._stand(history, candidate, fingerprint)
        if standing.state is State.HALTED:
            self._announce(standing)
            raise Halted(self._advice(standing), standing)
        if standing.state is State.COOLING:
            self._announce(standing)
            raise Cooling(self._advice(standing), standing)
        if keep_last and _is_last(standing):
            raise LastAttempt(advice.last_attempt(standing))
        at_most = self._at_most(history)
        return _Granted(candidate, fingerprint, standing, history.head, history.epoch, seen, at_most)

    def _history(self) -> tuple[History, Testimony | None]:
        """The ledger, held against its witness; a doubt becomes a row, so that every replica halts on it."""
        history, seen, now = self._ledger.history(), self._testimony(), self._clock()
        why = doubt(history, seen, shared=self._ledger.shared)
        if why is not None:
            epoch = history.epoch or _epoch(seen)
            number = self._ledger.append(
                after=history.head, floor=_floor(seen), epoch=epoch, kind=DOUBT, actor=self._actor, at=now, note=why
            )
            history = self._ledger.history()
            seen = Testimony(epoch, number, self._at_most(history))
            self._witness.write(seen)
        ahead = [record.number for record in history.records if record.cools_from > now]
        if ahead:
            self._ledger.cool_from(ahead, now)
        return history, None if isinstance(seen, Untrusted) else seen

    def _at_most(self, history: History) -> int:
        """So many failures may count by what the ledger says: all of them where it may have forgotten some."""
        in_doubt = any(record.kind == DOUBT for record in history.records)
        return max(1, self._rules.lockout.budget) if in_doubt else _failures(history)

    def _known(self, candidate: Candidate, failures: int) -> str:
        """The candidate's fingerprint, once it has been held against the policy. failures: those that count now.

        Raises:
            CredentialRefused
        """
        password, maker = candidate.password, Fingerprinter(self._ledger.salt(), self._cost)
        if password is None:
            fingerprint = maker.of("token", candidate.identity)
            self._ledger.saw(fingerprint, self._clock(), password=False, way=self._source.way)
            return fingerprint
        known = maker.of("password", password)
        faults = self._faults(password, known)
        sends = known if candidate.kind == "password" else maker.of("token", candidate.identity)
        refused = "; ".join(faults) or None
        self._ledger.saw(known, self._clock(), password=True, refused=refused, sends=sends, way=self._source.way)
        if faults:
            text = self._refusal(faults)
            fields = {
                "faults": len(faults),
                "advice": text,
                "failures": failures,
                "remaining": self._remaining(failures),
            }
            self._announce_once(("refused", known, *faults), "login.refused", fields)
            raise CredentialRefused(text, faults)
        return sends

    def _faults(self, password: str, known: str) -> list[str]:
        """Why a password can't be right by the policy. known: its fingerprint."""
        faults = self._rules.policy.faults(password, self._rules.account)
        accepted = [one.fingerprint for one in self._ledger.credentials() if one.accepted is not None]
        if self._rules.policy.complexity and is_previous(known, accepted):
            faults.append("it is one of the four previous passwords")
        return faults

    def _stand(self, history: History, candidate: Candidate, fingerprint: str) -> Standing:
        rules, now = self._rules.lockout, self._clock()
        return stand(history, rules, kind=candidate.kind, credential=fingerprint, now=now, way=self._source.way)

    def _testimony(self) -> Testimony | Untrusted | None:
        try:
            return self._witness.read()
        except Untrusted as untrusted:
            return untrusted

    def _ensure_witness(self, seen: Testimony | Untrusted | None, epoch: str) -> None:
        """Before the first row, so that a row without a witness always means that the witness was lost."""
        if seen is None:
            self._witness.begin(epoch)

    # -- the attempt itself --------------------------------------------------------------------------------------------

    def _begin(self, granted: "_Granted") -> int:
        """Put the attempt on the disk: the row, then the witness. Only then may the credential leave."""
        seen, kind = granted.seen, granted.candidate.kind
        epoch = granted.epoch or _epoch(seen)
        self._ensure_witness(seen, epoch)
        number = self._ledger.begin(
            after=granted.head,
            floor=_floor(seen),
            epoch=epoch,
            kind=kind,
            credential=granted.fingerprint,
            actor=self._actor,
            at=self._clock(),
            jitter=self._random.random(),
            note=self._source.way,
        )
        worst = granted.failures + (1 if kind == "password" else 0)
        try:
            self._witness.write(Testimony(epoch, number, worst))
        except JournalUnavailable:
            self._finish(number, _Result(FailureClass.LOST_BEFORE_SENDING, counts=False))
            raise
        granted.epoch = epoch
        self._announced = None  # what comes of this attempt is told, though it be the same as before
        self._notify("login.attempt", {"kind": kind, "actor": self._actor, "remaining": granted.standing.remaining})
        return number

    def _obtained(self, granted: "_Granted", number: int, credential: Credential) -> None:
        """The credential is at hand. A token for the password means that the token endpoint took the password: whatever
        comes of the token, death included, the password isn't to blame, and its row says so before the token leaves."""
        self._token_is_over = False
        if not isinstance(credential, Token):
            return
        granted.stale = credential.kept
        if granted.candidate.kind == "password":
            granted.taken = True
            with suppress(JournalUnavailable):  # then the row counts until the attempt has ended
                self._record(number, _Result(FailureClass.LOST_AFTER_SENDING, counts=False))

    def _fell(self, attempt: "Attempt", error: BaseException) -> None:
        """The block ended by an exception: write down what it means."""
        granted, number = attempt.granted, attempt.number
        if attempt.stage == "done":
            return
        if number is None:
            self._waited(granted, error)
            return
        found = _with_password_behind(_failure_of(error, granted.in_flight), granted.candidate)
        counts = found.counts and found.kind == granted.candidate.kind
        if granted.stale and found.cls is FailureClass.TOKEN_REJECTED:
            counts = False  # a token kept from before: a fresh one is tried first
        after = found.retry_after.total_seconds() if found.retry_after is not None else None
        self._came_to(granted, number, _Result(found.cls, counts=counts, retry_after=after, said=found.said))

    def _ended(self, attempt: "Attempt") -> None:
        """The block ended by itself. An attempt that nobody called a success isn't one."""
        if attempt.stage != "done" and attempt.number is not None:
            unclear = _Result(FailureClass.AMBIGUOUS, counts=attempt.granted.in_flight == "password")
            self._came_to(attempt.granted, attempt.number, unclear)

    def _waited(self, granted: "_Granted", error: BaseException) -> None:
        """Nothing was sent. Where the server asked for a pause, restarts and other replicas keep to it too."""
        found = _failure_of(error, granted.candidate.kind)
        if found.retry_after is None or not found.transient:
            return
        epoch = granted.epoch or _epoch(granted.seen)
        with suppress(JournalUnavailable):
            self._ensure_witness(granted.seen, epoch)
            self._ledger.append(
                after=granted.head,
                floor=_floor(granted.seen),
                epoch=epoch,
                kind=CONNECTION,
                actor=self._actor,
                at=self._clock(),
                outcome=found.cls,
                retry_after=found.retry_after.total_seconds(),
                jitter=self._random.random(),
                said=found.said,
            )

    def _came_to(self, granted: "_Granted", number: int, result: "_Result") -> None:
        self._finish(number, result)
        kind = granted.candidate.kind
        failures = granted.failures
        if kind == "password" and result.outcome == SUCCEEDED:
            failures = 0
        elif result.counts and kind == "password":
            failures += 1
        if self._unrecorded is None:
            self._testify(Testimony(granted.epoch or "", number, failures))
        self._tell(granted, result)

    def _finish(self, number: int, result: "_Result") -> None:
        """Write the result; where that can't be done now, it is written before the next attempt."""
        try:
            self._record(number, result)
        except JournalUnavailable:
            self._unrecorded = (number, result)

    def _record_what_is_due(self) -> None:
        if self._unrecorded is not None:
            self._record(*self._unrecorded)
            self._unrecorded = None

    def _record(self, number: int, result: "_Result") -> None:
        self._ledger.finish(
            number,
            outcome=result.outcome,
            counts=result.counts,
            at=self._clock(),
            retry_after=result.retry_after,
            said=result.said,
        )

    def _testify(self, after: Testimony) -> None:
        """Let the witness know how the attempt ended; if it can't, it goes on saying more failures than there are."""
        with suppress(JournalUnavailable):
            seen = self._testimony()
            if isinstance(seen, Testimony) and (seen.epoch, seen.number) == (after.epoch, after.number):
                self._witness.write(after)

    # -- telling -------------------------------------------------------------------------------------------------------

    def _tell(self, granted: "_Granted", result: "_Result") -> None:
        fields: dict[str, object] = {"kind": granted.candidate.kind, "actor": self._actor}
        fields["outcome"] = str(result.outcome)
        if result.outcome == SUCCEEDED:
            self._announced = None
            before = granted.standing.failures
            failures = 0 if granted.candidate.kind == "password" else before
            counts = {"failures_before": before, "failures": failures, "remaining": self._remaining(failures)}
            self._notify("login.succeeded", fields | counts)
            return
        fields |= {"counts": result.counts, "said": result.said}
        with suppress(JournalUnavailable):
            standing = self._stand(self._ledger.history(), granted.candidate, granted.fingerprint)
            self._notify("login.rejected", fields | {"remaining": standing.remaining, "failures": standing.failures})
            self._announce(standing)
            return
        self._notify("login.rejected", fields)

    def _announce(self, standing: Standing) -> None:
        if standing.state is State.READY:
            return
        fields = {
            "reason": str(standing.reason),
            "failures": standing.failures,
            "remaining": standing.remaining,
            "remaining_for_credential": standing.remaining_for_credential,
            "next_attempt_at": None if standing.next_at is None else advice.moment(standing.next_at),
            "advice": self._advice(standing),
        }
        what = (standing.state, standing.reason, standing.failures, standing.remaining_for_credential, standing.next_at)
        self._announce_once(what, f"login.{standing.state}", fields)

    def _announce_once(self, what: tuple[object, ...], event: str, fields: Mapping[str, object]) -> None:
        if self._announced != what:
            self._announced = what
            self._notify(event, {**fields, "actor": self._actor})

    def _remaining(self, failures: int) -> int:
        return max(0, self._rules.lockout.budget - failures)

    def _refusal(self, faults: list[str]) -> str:
        return advice.refusal(faults, self._rules.account, needs_restart=self._source.needs_restart)

    def _advice(self, standing: Standing) -> str:
        rules, source = self._rules, self._source
        return advice.advise(
            standing,
            rules.lockout,
            rules.help,
            account=rules.account,
            needs_restart=source.needs_restart,
            auth=source.auth,
        )


Stage = Literal["granted", "sent", "logged in", "done"]


class Attempt:
    """One attempt that may be made. See the module for its use."""

    def __init__(self, guard: Guard, granted: "_Granted") -> None:
        self._guard = guard
        self.granted: Final = granted
        self.number: int | None = None
        self.stage: Stage = "granted"

    @property
    def kind(self) -> Kind:
        """What would be sent."""
        return self.granted.candidate.kind

    def credential(self) -> Credential:
        """The credential, once the attempt is on the disk. To be had once: one attempt sends one credential.

        Raises:
            JournalUnavailable: the attempt can't be written down, so there is no credential.
            LoginFailed: there is no token to be had.
        """
        if self.stage != "granted":
            raise RuntimeError("an attempt has one credential, once")
        self.stage = "sent"
        self.number = self._guard._begin(self.granted)  # noqa: SLF001 -- the guard's other half
        refresh = self.granted.standing.refresh or self._guard._token_is_over  # noqa: SLF001 -- as above
        credential = self.granted.candidate.obtain(refresh=refresh)
        self._guard._obtained(self.granted, self.number, credential)  # noqa: SLF001 -- as above
        return credential

    def logged_in(self) -> None:
        """The server said its tagged OK to the login. Half of a success."""
        if self.stage != "sent":
            raise RuntimeError("no credential was sent")
        self.stage = "logged in"

    def first_command_ok(self) -> None:
        """The server said OK to the first mailbox command too: a success, and the count is 0 again.

        Where the journal can't be written at this moment, it is written before the next attempt.
        """
        if self.stage != "logged in":
            raise RuntimeError("the login has had no OK")
        self.stage = "done"
        if self.number is None:  # can't be: a credential has a row
            raise RuntimeError("an attempt without its row")
        self._guard._came_to(self.granted, self.number, _Result(SUCCEEDED, counts=False))  # noqa: SLF001


@dataclass(slots=True)
class _Granted:
    """What an attempt was granted on. failures: at most so many count.

    stale: the token that was handed out was kept from before. taken: the token endpoint took the password.
    """

    candidate: Candidate
    fingerprint: str
    standing: Standing
    head: int
    epoch: str | None
    seen: Testimony | None
    failures: int
    stale: bool = False
    taken: bool = False

    @property
    def in_flight(self) -> Kind:
        """What an answer, or the lack of one, is about."""
        return "token" if self.taken else self.candidate.kind


@dataclass(frozen=True, slots=True)
class _Result:
    outcome: str
    counts: bool
    retry_after: float | None = None
    said: str = ""


def _failure_of(error: BaseException, kind: Kind) -> LoginFailure:
    """What an exception out of an attempt means for the count. What we don't know may have counted."""
    if isinstance(error, LoginFailed):
        return error.failure
    if isinstance(error, Throttled):
        return failure(FailureClass.THROTTLED, kind, retry_after=error.after)
    if isinstance(error, ServerUnavailable):
        return failure(FailureClass.UNAVAILABLE, kind, retry_after=error.after)
    if isinstance(error, TokenExpired) and kind == "token":
        return failure(FailureClass.TOKEN_EXPIRED, kind)
    if isinstance(error, ProtocolFault) and error.by_server:
        return failure(FailureClass.PROTOCOL, kind)
    if isinstance(error, MailboxError) and not isinstance(error, ConnectionLost | TlsRefused):
        return failure(FailureClass.AMBIGUOUS, kind)
    return failure(FailureClass.LOST_AFTER_SENDING, kind)


def _with_password_behind(found: LoginFailure, candidate: Candidate) -> LoginFailure:
    """A sign-in that is over needs no person where the account's password makes a new one: its token has run out."""
    if found.cls is FailureClass.SIGN_IN_AGAIN and candidate.kind == "token" and candidate.password is not None:
        return failure(FailureClass.TOKEN_EXPIRED, "token", said=found.said)
    return found


def _is_last(standing: Standing) -> bool:
    """Whether only one attempt is left of several. Where the settings give but one, and nothing has failed, none is."""
    return standing.remaining_for_credential <= 1 and (standing.failures > 0 or standing.reason is not None)


def _failures(history: History) -> int:
    """Failures of the account's password that count."""
    return sum(record.kind == "password" and record.counts for record in history.records)


def _about(history: History) -> Kind:
    """What a reset is about: the password, unless it forgets nothing of one, and none would be sent."""
    forgets = any(record.kind in {"password", DOUBT} for record in history.records)
    return "password" if forgets else kind_of(history.current)


def _floor(seen: Testimony | Untrusted | None) -> int:
    return seen.number if isinstance(seen, Testimony) else 0


def _epoch(seen: Testimony | Untrusted | None) -> str:
    """A name for a journal that has none: the witness's, where nothing speaks against it."""
    return seen.epoch if isinstance(seen, Testimony) else uuid.uuid4().hex
