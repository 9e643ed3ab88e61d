"""One login attempt: the credential that it hands out, and its result.

A credential is handed out only after the attempt's row and its witness are on the disk. Unless the server then says OK
both to the login and to the first mailbox command, the attempt is recorded as failed, and it counts if the server may
have counted it.
"""

import random as random_module
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, Self

from worker.journal.attempts import CONNECTION, SUCCEEDED
from worker.journal.database import JournalUnavailable
from worker.login.credential import Candidate, Credential, Token
from worker.login.history import Look, WitnessedLedger
from worker.login.refusals import NoWayIn
from worker.login.standing import Standing, halted_without_a_way
from worker.login.telling import Telling
from worker.login.token_claims import Claims, likely_cause, read_claims, with_cause
from worker.login.witness import Testimony
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
from worker.mailbox.login_offer import LoginOffer

Stage = Literal["granted", "sent", "logged in", "done"]
_ABOUT_A_TOKEN: Final = frozenset({FailureClass.TOKEN_REJECTED, FailureClass.AMBIGUOUS})


@dataclass(frozen=True, slots=True)
class Granted:
    """What the decision to grant an attempt was based on.

    fingerprint: the candidate's. way: how it is sent. by_token: the mail server gets a token, whatever was sent for it.
    look: the ledger at that time. failures: the most that may count. at: when it was granted, in epoch seconds.
    """

    candidate: Candidate
    fingerprint: str
    way: str
    standing: Standing
    look: Look
    failures: int
    by_token: bool = False
    at: float = 0.0

    @property
    def kind(self) -> Kind:
        """What would be sent."""
        return self.candidate.kind


class Attempt:
    """One attempt that was granted. As a context manager, it records a result that depends on the block's exception.

    number: its row's number, once there is a row.
    """

    def __init__(self, granted: Granted, recorder: "AttemptRecorder") -> None:
        self.number: int | None = None
        self._granted = granted
        self._recorder = recorder
        self._stage: Stage = "granted"
        self._token_was_kept = False
        self._password_was_taken = False
        self._claims: Claims | None = None
        self._user = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _class: object, error: BaseException | None, _traceback: object) -> None:
        if self._stage == "done":
            return
        if error is None:
            self._ended()
        else:
            self._fell(error)

    @property
    def kind(self) -> Kind:
        """What would be sent."""
        return self._granted.kind

    def compare(self, offer: LoginOffer) -> None:
        """Refuse to go on if the server offers no way to send what we have. Call it before `credential`.

        Raises:
            NoWayIn: says what the server offers. Nothing was sent, and nothing is spent.
            JournalUnavailable
        """
        granted = self._granted
        suits = offer.takes_token if granted.by_token else offer.takes_password(granted.candidate.password or "")
        self._recorder.compared(granted, None if suits else offer.names())

    def credential(self) -> Credential:
        """Put the attempt on the disk and return the credential. This can be called once: an attempt sends one.

        Raises:
            JournalUnavailable: the attempt can't be recorded, so there is no credential.
            LoginFailed: the token endpoint gave no token.
        """
        if self._stage != "granted":
            raise RuntimeError("an attempt has one credential, once")
        self._stage = "sent"
        granted = self._granted
        self.number = self._recorder.begin(granted)
        credential = granted.candidate.obtain(refresh=self._recorder.wants_fresh_token(granted))
        self._recorder.obtained()
        if isinstance(credential, Token):
            self._token_was_kept = credential.kept
            self._claims, self._user = read_claims(credential.secret), credential.user
            if granted.kind == "password":
                self._password_was_taken = True
                self._recorder.password_taken(self.number)
        return credential

    def logged_in(self) -> None:
        """Note the server's tagged OK to the login, which is half of a success."""
        if self._stage != "sent":
            raise RuntimeError("no credential was sent")
        self._stage = "logged in"

    def first_command_ok(self) -> None:
        """Note the server's OK to the first mailbox command: the attempt is a success, and the count is 0 again.

        If the journal can't be written now, the success is recorded before the next attempt.
        """
        if self._stage != "logged in":
            raise RuntimeError("the login has had no OK")
        self._stage = "done"
        if self.number is None:  # can't happen: no credential without a row
            raise RuntimeError("an attempt without its row")
        self._recorder.came_to(self._granted, self.number, Result(SUCCEEDED, counts=False))

    @property
    def _in_flight(self) -> Kind:
        """What the server's answer, or the lack of one, is about."""
        return "token" if self._password_was_taken else self._granted.kind

    def _fell(self, error: BaseException) -> None:
        """Record what the block's exception means."""
        granted = self._granted
        if self.number is None:
            self._recorder.waited(granted, _failure_of(error, granted.kind))
            return
        found = _with_password_behind(_failure_of(error, self._in_flight), granted.candidate)
        counts = found.counts and found.kind == granted.kind
        if self._token_was_kept and found.cls is FailureClass.TOKEN_REJECTED:
            counts = False  # the token was from an earlier attempt: a fresh one is tried first
        after = found.retry_after.total_seconds() if found.retry_after is not None else None
        result = Result(found.cls, counts=counts, retry_after=after, said=self._explained(found))
        self._recorder.came_to(granted, self.number, result)

    def _explained(self, found: LoginFailure) -> str:
        """What is stored of an answer: of a refused token, with what most likely stands behind the refusal."""
        if found.kind != "token" or found.cls not in _ABOUT_A_TOKEN:
            return found.said
        cause = likely_cause(
            self._claims, mailbox=self._user, now=self._granted.at, logged_in=self._stage == "logged in"
        )
        return with_cause(found.said, cause)

    def _ended(self) -> None:
        """Record as ambiguous an attempt whose block ended with neither an exception nor a success."""
        if self.number is not None:
            unclear = Result(FailureClass.AMBIGUOUS, counts=self._in_flight == "password")
            self._recorder.came_to(self._granted, self.number, unclear)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an attempt.

    retry_after: how long the server asked us to wait, in seconds. said: its words, reduced to a known vocabulary.
    """

    outcome: str
    counts: bool
    retry_after: float | None = None
    said: str = ""


class AttemptRecorder:
    """Records one process's attempts, and remembers what must outlast a single attempt.

    That is a result that couldn't be written at the time, and whether the last token has expired.
    """

    def __init__(self, ledger: WitnessedLedger, telling: Telling, random: random_module.Random) -> None:
        self._ledger = ledger
        self._telling = telling
        self._random = random
        self._unrecorded: tuple[int, Result] | None = None
        self._token_is_over = False

    def token_expired(self) -> None:
        """Note that the server ended a session because its token had expired: the next attempt gets a fresh one."""
        self._token_is_over = True

    def wants_fresh_token(self, granted: Granted) -> bool:
        """Whether a token from an earlier attempt must not be used."""
        return granted.standing.refresh or self._token_is_over

    def compared(self, granted: Granted, offered: str | None) -> None:
        """Note that the server offers no way in, for the status and for people; or that it does so again.

        offered: the ways that it offers instead; None: it offers ours.

        Raises:
            NoWayIn: it offers none of ours.
            JournalUnavailable
        """
        if offered != granted.look.history.offered:
            self._ledger.offers(offered, granted.way)
        if offered is not None:
            standing = halted_without_a_way(granted.standing, offered)
            self._telling.stands(standing)
            raise NoWayIn(self._telling.advice(standing))

    def record_what_is_due(self) -> None:
        """Write the earlier result that couldn't be written at the time.

        Raises:
            JournalUnavailable: it still can't be.
        """
        if self._unrecorded is not None:
            self._record(*self._unrecorded)
            self._unrecorded = None

    def begin(self, granted: Granted) -> int:
        """Put the attempt on the disk, first its row, then the witness. Only then may the credential leave.

        Returns:
            The row's number.

        Raises:
            JournalUnavailable: one of the two isn't on the disk.
        """
        look, kind = granted.look, granted.kind
        number = self._ledger.begin(
            look, kind=kind, credential=granted.fingerprint, jitter=self._random.random(), note=granted.way
        )
        worst = granted.failures + (1 if kind == "password" else 0)
        try:
            self._ledger.attest(Testimony(look.epoch, number, worst))
        except JournalUnavailable:
            self._finish(number, Result(FailureClass.LOST_BEFORE_SENDING, counts=False))
            raise
        self._telling.attempt(kind, granted.standing.remaining)
        return number

    def obtained(self) -> None:
        """Note that the credential was obtained; if a fresh token was wanted, it is one."""
        self._token_is_over = False

    def password_taken(self, number: int) -> None:
        """Record that the token endpoint accepted the password, before the token leaves the process.

        From here on the password isn't to blame, whatever happens to the token, and even if this process dies.
        """
        with suppress(JournalUnavailable):  # then the row counts until the attempt ends
            self._record(number, Result(FailureClass.LOST_AFTER_SENDING, counts=False))

    def waited(self, granted: Granted, found: LoginFailure) -> None:
        """Record a pause that the server asked for before anything was sent: every replica must keep to it."""
        if found.retry_after is None or not found.transient:
            return
        with suppress(JournalUnavailable):
            self._ledger.append(
                granted.look,
                kind=CONNECTION,
                outcome=found.cls,
                retry_after=found.retry_after.total_seconds(),
                jitter=self._random.random(),
                said=found.said,
            )

    def came_to(self, granted: Granted, number: int, result: Result) -> None:
        """Record the result of an attempt, and announce it."""
        self._finish(number, result)
        failures = granted.failures
        if granted.kind == "password" and result.outcome == SUCCEEDED:
            failures = 0
        elif result.counts and granted.kind == "password":
            failures += 1
        if self._unrecorded is None:
            self._ledger.attest_end(Testimony(granted.look.epoch, number, failures))
        self._tell(granted, result)

    def _finish(self, number: int, result: Result) -> None:
        """Write the result. If that fails, keep it to be written before the next attempt."""
        try:
            self._record(number, result)
        except JournalUnavailable:
            self._unrecorded = (number, result)

    def _record(self, number: int, result: Result) -> None:
        self._ledger.finish(
            number, outcome=result.outcome, counts=result.counts, retry_after=result.retry_after, said=result.said
        )

    def _tell(self, granted: Granted, result: Result) -> None:
        kind, outcome = granted.kind, str(result.outcome)
        if result.outcome == SUCCEEDED:
            self._telling.succeeded(kind, outcome, before=granted.standing.failures)
            return
        standing = None
        with suppress(JournalUnavailable):
            standing = self._ledger.standing_now(kind, granted.fingerprint, granted.way)
        self._telling.rejected(kind, outcome, counts=result.counts, said=result.said, standing=standing)


def _failure_of(error: BaseException, kind: Kind) -> LoginFailure:
    """Return what an exception during an attempt means for the count. An unknown one may have counted."""
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
    """Treat a sign-in that has ended as an expired token if the account's password can make a new sign-in: no person is
    needed then."""
    if found.cls is FailureClass.SIGN_IN_AGAIN and candidate.kind == "token" and candidate.password is not None:
        return failure(FailureClass.TOKEN_EXPIRED, "token", said=found.said)
    return found
