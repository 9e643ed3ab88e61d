"""The login guard: the only way for a credential to leave the process.

The budget belongs to the account, not to a password, and its use is counted in the journal, so no restart, crash loop,
second replica or lost answer refills it. Only `Attempt.credential()` hands out a credential, and it returns only after
the attempt's row and its witness are on the disk.

    with guard.attempt() as attempt:            # raises NoAttempt or a subclass: nothing was sent
        session.connect()                       # a failure here spends nothing
        session.login(attempt.credential())     # the row is on the disk before the credential is handed out
        attempt.logged_in()
        session.first_command()
        attempt.first_command_ok()              # the count is 0 again

The guard decides whether an attempt may be made. `history` reads and writes the count, `attempt` records the result of
an attempt, and `telling` announces it.
"""

import random as random_module
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from worker.journal.attempts import AttemptLedger
from worker.login import advice
from worker.login.attempt import Attempt, AttemptRecorder, Granted
from worker.login.credential import Candidate, CredentialSource
from worker.login.fingerprint import COST, Fingerprinter
from worker.login.history import Rules, WitnessedLedger
from worker.login.login_status import POLICY, LoginStatus, login_status, password_age
from worker.login.mutex import AttemptInProgress, AttemptMutex
from worker.login.password_policy import is_previous, warning_stage
from worker.login.refusals import Cooling, CredentialRefused, Halted, LastAttempt, ReasonMissing, ResetNeedsAgain
from worker.login.standing import Standing, State
from worker.login.telling import Notify, Telling
from worker.login.witness import Witness


class Guard:
    """Allows one attempt at a time, as long as attempts can't lock the account.

    actor: the replica, or the operating-system user of a command. cost: scrypt's n, reduced in tests.
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
        self._mutex = mutex
        self._source = source
        self._rules = rules
        self._clock = clock
        self._cost = cost
        self._witnessed = WitnessedLedger(ledger, witness, lockout=rules.lockout, actor=actor, clock=clock)
        self._telling = Telling(notify, rules, source, actor=actor)
        self._recorder = AttemptRecorder(self._witnessed, self._telling, random)

    # -- for the worker and its commands -------------------------------------------------------------------------------

    @contextmanager
    def attempt(self, *, keep_last: bool = False) -> Iterator[Attempt]:
        """Make one attempt in this block, under the attempt mutex. What the block raises is passed on.

        keep_last: refuse the last attempt of the budget or of the credential; for commands beside the worker.

        Raises:
            Cooling, Halted, CredentialRefused, LastAttempt: no attempt now; the error has the advice to a person.
            CredentialUnavailable: there is no credential to send.
            AttemptInProgress: another process is making an attempt.
            JournalUnavailable: there is no durable count, so no login.
        """
        with self._mutex.hold(), Attempt(self._grant(keep_last=keep_last), self._recorder) as attempt:
            yield attempt

    def token_expired(self) -> None:
        """Note that the server ended a session because its token had expired: the next attempt gets a fresh one."""
        self._recorder.token_expired()

    def keep_watch(self) -> None:
        """Tell this host's witness of every host's attempts, so that any host notices if the journal is restored later.

        Call it every few seconds. It costs one read while nothing has happened.

        Raises:
            JournalUnavailable
        """
        if self._witnessed.is_up_to_date():
            return
        with suppress(AttemptInProgress), self._mutex.hold(wait=False):
            self._witnessed.catch_up()

    def status(self) -> LoginStatus:
        """Return where the login stands, from the journal alone."""
        rules = self._rules
        return login_status(
            self._ledger, rules.lockout, max_age=rules.max_age, changed=rules.changed, now=self._clock()
        )

    def advice(self) -> str:
        """Return what to tell a person about where the login stands."""
        found = self.status()
        if found.detail is not None and found.standing.reason == POLICY:
            return self._telling.refusal([found.detail])
        return self._telling.advice(found.standing)

    def foresee(self) -> Standing | None:
        """Return where the login stands for the credential that a command beside the worker would send.

        None: the guard would refuse to send it. Writes nothing.

        Raises:
            CredentialUnavailable, JournalUnavailable
        """
        candidate = self._source.candidate()
        look = self._witnessed.compare(self._ledger.history())
        maker = Fingerprinter(self._ledger.salt(), self._cost)
        password = candidate.password
        if password is not None and self._faults(password, maker.of("password", password)):
            return None
        fingerprint = maker.of(candidate.kind, candidate.identity)
        standing = self._witnessed.standing(look.history, candidate.kind, fingerprint, self._source.way)
        if candidate.kind == "password" and self._witnessed.doubt(look) is not None:
            return None
        ready = standing.state is State.READY and not _is_last(standing)
        return standing if ready else None

    def reset(self, reason: str, *, actor: str, again: bool = False) -> None:
        """Forget all failures, because a person says that the account is unlocked.

        Raises:
            ReasonMissing: the reason is blank.
            ResetNeedsAgain: the last reset has had no success since, and `again` isn't set.
        """
        if not reason.strip():
            raise ReasonMissing
        with self._mutex.hold():
            history = self._ledger.history()
            if history.reset_unproven and not again:
                raise ResetNeedsAgain(advice.reset_again())
            forgotten = self._witnessed.reset(history, actor=actor, reason=reason)
        self._telling.reset(actor=actor, reason=reason, again=again, failures=forgotten)

    def check_age(self) -> None:
        """Warn that the password will expire, if a warning is due: `password.expiring`, once for each stage."""
        rules, now, history = self._rules, self._clock(), self._ledger.history()
        age = password_age(history, self._ledger.credentials(), max_age=rules.max_age, changed=rules.changed, now=now)
        stage = None if age is None else warning_stage(age, rules.warn, now)
        if age is None or stage is None:
            return
        mark = f"{history.password} {age.expires_at:.0f} {stage}"
        if self._ledger.warned() != mark:
            self._ledger.warn(mark)
            self._telling.expiring(age)

    # -- before an attempt ---------------------------------------------------------------------------------------------

    def _grant(self, *, keep_last: bool) -> Granted:
        self._recorder.record_what_is_due()
        candidate = self._source.candidate()
        look = self._witnessed.read()
        fingerprint = self._known(candidate, look.failures)
        way = self._source.way
        standing = self._witnessed.standing(look.history, candidate.kind, fingerprint, way)
        if standing.state is not State.READY:
            self._telling.stands(standing)
            text = self._telling.advice(standing)
            raise Halted(text, standing) if standing.state is State.HALTED else Cooling(text, standing)
        if keep_last and _is_last(standing):
            raise LastAttempt(advice.last_attempt(standing))
        return Granted(candidate, fingerprint, way, standing, look, self._witnessed.at_most(look.history))

    def _known(self, candidate: Candidate, failures: int) -> str:
        """Check the candidate against the policy and return its fingerprint. failures: those that count now.

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
            self._telling.refused(known, faults, failures=failures)
            raise CredentialRefused(self._telling.refusal(faults), faults)
        return sends

    def _faults(self, password: str, known: str) -> list[str]:
        """Return which rules of the policy a password breaks. known: its fingerprint."""
        faults = self._rules.policy.faults(password, self._rules.account)
        accepted = [one.fingerprint for one in self._ledger.credentials() if one.accepted is not None]
        if self._rules.policy.complexity and is_previous(known, accepted):
            faults.append("it is one of the four previous passwords")
        return faults


def _is_last(standing: Standing) -> bool:
    """Whether one attempt is left. If the settings allow only one in all, it is the last only after a failure."""
    return standing.remaining_for_credential <= 1 and (standing.failures > 0 or standing.reason is not None)
