"""The login guard: the only way for a credential to leave the process, but for the tokens that alerts are sent with.

The budget belongs to the account, not to a password, and its use is counted in the journal, so no restart, crash loop,
second replica or lost answer refills it. Only `Attempt.credential()` hands out a credential, and it returns only after
the attempt's row and its witness are on the disk.

    with guard.attempt() as attempt:            # raises NoAttempt or a subclass: nothing was sent
        session.connect()                       # a failure here spends nothing
        attempt.compare(session.login_offer())  # nor does a server that offers no way in
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
from worker.login.login_status import POLICY, LoginStatus, login_status
from worker.login.mutex import AttemptInProgress, AttemptMutex
from worker.login.password_policy import Refusal, is_previous
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
            self._ledger,
            rules.lockout,
            max_age=rules.max_age,
            changed=rules.changed,
            now=self._clock(),
            forbidden=rules.forbid(self._source.auth),
        )

    def advice(self) -> str:
        """Return what to tell a person about where the login stands."""
        found = self.status()
        if found.detail is not None and found.standing.reason == POLICY:
            return self._telling.refusal(found.detail)
        return self._telling.advice(found.standing)

    def foresee(self) -> Standing | None:
        """Return where the login stands for the credential that a command beside the worker would send.

        None: the guard would refuse to send it. Writes nothing.

        Raises:
            CredentialUnavailable, JournalUnavailable
        """
        if self._rules.forbid(self._source.auth):
            return None
        candidate = self._source.candidate()
        look = self._witnessed.compare(self._ledger.history())
        maker = Fingerprinter(self._ledger.salt(), self._cost)
        password = candidate.password
        if password is not None and self._refusal(password, maker.of("password", password)) is not None:
            return None
        fingerprint = maker.of(candidate.kind, candidate.identity)
        standing = self._witnessed.standing(look.history, candidate.kind, fingerprint, self._source.way)
        if candidate.kind == "password" and self._witnessed.doubt(look) is not None:
            return None
        ready = standing.state is State.READY and not _is_last(standing)
        return standing if ready else None

    def refusal(self) -> Refusal | None:
        """Return why the password that would be sent now can't be right by the policy; None if it can, or if there is
        none. Writes nothing.

        Raises:
            CredentialUnavailable, JournalUnavailable
        """
        password = self._source.candidate().password
        if password is None:
            return None
        known = ""
        if self._accepted():  # then there is a salt, which otherwise would have to be written
            known = Fingerprinter(self._ledger.salt(), self._cost).of("password", password)
        return self._refusal(password, known)

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

    # -- before an attempt ---------------------------------------------------------------------------------------------

    def _grant(self, *, keep_last: bool) -> Granted:
        self._recorder.record_what_is_due()
        self._refuse_what_the_settings_forbid()
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
        failures = self._witnessed.at_most(look.history)
        by_token = candidate.kind == "token" or self._source.auth != "password"
        return Granted(candidate, fingerprint, way, standing, look, failures, by_token, self._clock())

    def _refuse_what_the_settings_forbid(self) -> None:
        """Refuse to send a password to a server that takes none. A person clears that in the settings, not by a reset.

        Raises:
            Halted
        """
        if self._rules.forbid(self._source.auth):
            standing = self.status().standing
            self._telling.stands(standing)
            raise Halted(self._telling.advice(standing), standing)

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
        refusal = self._refusal(password, known)
        sends = known if candidate.kind == "password" else maker.of("token", candidate.identity)
        refused = None if refusal is None else str(refusal)
        self._ledger.saw(known, self._clock(), password=True, refused=refused, sends=sends, way=self._source.way)
        if refusal is not None:
            self._telling.refused(known, refusal, failures=failures)
            raise CredentialRefused(self._telling.refusal(str(refusal)), list(refusal.faults))
        return sends

    def _refusal(self, password: str, known: str) -> Refusal | None:
        """Return which rules of the policy a password breaks, if any. known: its fingerprint."""
        was_before = is_previous(known, self._accepted())
        return self._rules.policy.refusal(password, self._rules.account, is_previous=was_before)

    def _accepted(self) -> list[str]:
        """Return the fingerprints of passwords that the server has accepted, newest first."""
        return [one.fingerprint for one in self._ledger.credentials() if one.accepted is not None]


def _is_last(standing: Standing) -> bool:
    """Whether one attempt is left. If the settings allow only one in all, it is the last only after a failure."""
    return standing.remaining_for_credential <= 1 and (standing.failures > 0 or standing.reason is not None)
