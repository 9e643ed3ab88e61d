"""The ledger of login attempts, checked against its witness.

The ledger is the journal's table of attempts; the witness is a small file beside it that records the number of the
ledger's last row. Everything that the guard reads of past attempts, and every row that it writes, goes through here. So
it is noticed if the ledger has lost attempts, before anything relies on it.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from worker.journal.attempts import DOUBT, RESET, AttemptLedger, History
from worker.journal.database import JournalUnavailable
from worker.login.advice import Help
from worker.login.backoff import Lockout
from worker.login.credential import Auth
from worker.login.login_status import kind_of
from worker.login.password_policy import DAY, PasswordPolicy, policy_named
from worker.login.standing import Standing, stand
from worker.login.witness import Testimony, Untrusted, Witness, doubt
from worker.mailbox.login_failures import Kind


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that the guard follows.

    max_age is in seconds. changed: when the password was last changed, in epoch seconds; None: not known.
    host: the mail server's name. exchange_online: it is one of Exchange Online's own. allow_password: a password may go
    there all the same.
    """

    account: str
    lockout: Lockout = field(default_factory=Lockout)
    policy: PasswordPolicy = field(default_factory=lambda: policy_named("nhsmail"))
    max_age: float = 90 * DAY
    changed: float | None = None
    help: Help = field(default_factory=Help)
    host: str = ""
    exchange_online: bool = False
    allow_password: bool = False

    def forbid(self, auth: Auth) -> bool:
        """Whether nothing may be sent in this way: a password would go to a server that takes none."""
        return auth == "password" and self.exchange_online and not self.allow_password


@dataclass(frozen=True, slots=True)
class Look:
    """The ledger at one moment, and what the witness said then.

    epoch: the journal's name, or the name that its first row will give it.
    """

    history: History
    seen: Testimony | Untrusted | None
    epoch: str

    @property
    def floor(self) -> int:
        """The highest row number that the witness knows. The next row's must be higher, even in a restored journal."""
        return self.seen.number if isinstance(self.seen, Testimony) else 0

    @property
    def failures(self) -> int:
        """How many failures of the account's password count."""
        return _failures(self.history)


class WitnessedLedger:
    """The ledger and its witness as one. Call the methods that write only under the attempt mutex.

    actor: who is recorded in the rows, unless a method is given another.
    """

    def __init__(
        self,
        ledger: AttemptLedger,
        witness: Witness,
        *,
        lockout: Lockout,
        actor: str,
        clock: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._witness = witness
        self._lockout = lockout
        self._actor = actor
        self._clock = clock
        self._watched: int | None = None

    # -- reading -------------------------------------------------------------------------------------------------------

    def compare(self, history: History) -> Look:
        """Add what the witness says to what was read from the ledger. Writes nothing."""
        seen = self._testimony()
        return Look(history, seen, history.epoch or _epoch(seen))

    def doubt(self, look: Look) -> str | None:
        """Return why the ledger may have lost attempts; None if it hasn't. See `witness.doubt`."""
        return doubt(look.history, look.seen, shared=self._ledger.shared)

    def read(self) -> Look:
        """Read the ledger and check it against the witness. A doubt becomes a row, so every replica halts on it."""
        look, now = self.compare(self._ledger.history()), self._clock()
        why = self.doubt(look)
        if why is not None:
            number = self._ledger.append(
                after=look.history.head,
                floor=look.floor,
                epoch=look.epoch,
                kind=DOUBT,
                actor=self._actor,
                at=now,
                note=why,
            )
            history = self._ledger.history()
            seen = Testimony(look.epoch, number, self.at_most(history))
            self._witness.write(seen)
            look = Look(history, seen, look.epoch)
        ahead = [record.number for record in look.history.records if record.cools_from > now]
        if ahead:
            self._ledger.cool_from(ahead, now)
        return look

    def at_most(self, history: History) -> int:
        """Return how many failures may count: those in the ledger, or the whole budget if the ledger is in doubt."""
        in_doubt = any(record.kind == DOUBT for record in history.records)
        return max(1, self._lockout.budget) if in_doubt else _failures(history)

    def standing(self, history: History, kind: Kind, fingerprint: str, way: str) -> Standing:
        """Return where the login stands for one credential, by what was read from the ledger."""
        return stand(history, self._lockout, kind=kind, credential=fingerprint, now=self._clock(), way=way)

    def standing_now(self, kind: Kind, fingerprint: str, way: str) -> Standing:
        """Read the ledger anew, and return where the login stands for one credential.

        Raises:
            JournalUnavailable
        """
        return self.standing(self._ledger.history(), kind, fingerprint, way)

    # -- writing -------------------------------------------------------------------------------------------------------

    def begin(self, look: Look, *, kind: Kind, credential: str, jitter: float, note: str) -> int:
        """Write an attempt's row and return its number.

        Raises:
            JournalUnavailable: the row may not be on the disk.
        """
        self._ensure_witness(look)
        return self._ledger.begin(
            after=look.history.head,
            floor=look.floor,
            epoch=look.epoch,
            kind=kind,
            credential=credential,
            actor=self._actor,
            at=self._clock(),
            jitter=jitter,
            note=note,
        )

    def finish(self, number: int, *, outcome: str, counts: bool, retry_after: float | None, said: str) -> None:
        """Write the result of an attempt.

        Raises:
            JournalUnavailable: the result may not be on the disk.
        """
        self._ledger.finish(
            number, outcome=outcome, counts=counts, at=self._clock(), retry_after=retry_after, said=said
        )

    def offers(self, offered: str | None, way: str) -> None:
        """Note what the server offers where that isn't this way to log in; None: it offers this way.

        Raises:
            JournalUnavailable
        """
        self._ledger.offers(offered, way)

    def append(
        self,
        look: Look,
        *,
        kind: str,
        outcome: str,
        actor: str | None = None,
        retry_after: float | None = None,
        jitter: float = 0.0,
        said: str | None = None,
        note: str | None = None,
    ) -> int:
        """Write a row that isn't an attempt, and return its number.

        Raises:
            JournalUnavailable: the row may not be on the disk.
        """
        self._ensure_witness(look)
        return self._ledger.append(
            after=look.history.head,
            floor=look.floor,
            epoch=look.epoch,
            kind=kind,
            actor=self._actor if actor is None else actor,
            at=self._clock(),
            outcome=outcome,
            retry_after=retry_after,
            jitter=jitter,
            said=said,
            note=note,
        )

    def reset(self, history: History, *, actor: str, reason: str) -> int:
        """Record that a person says the account was unlocked: earlier failures no longer count.

        Returns:
            How many of them counted until now.

        Raises:
            JournalUnavailable: the row may not be on the disk.
        """
        look = self.compare(history)
        number = self.append(look, kind=RESET, actor=actor, outcome=_about(history), note=reason)
        self._witness.write(Testimony(look.epoch, number, failures=0))
        if history.offered is not None:
            self._ledger.offers(None, history.way or "")  # it is looked at again
        return look.failures

    def attest(self, testimony: Testimony) -> None:
        """Tell the witness of a row. It is on the disk when this returns.

        Raises:
            JournalUnavailable
        """
        self._witness.write(testimony)

    def attest_end(self, after: Testimony) -> None:
        """Tell the witness how its latest attempt ended. If that fails, it keeps the larger count, which is safe."""
        with suppress(JournalUnavailable):
            seen = self._testimony()
            if isinstance(seen, Testimony) and (seen.epoch, seen.number) == (after.epoch, after.number):
                self._witness.write(after)

    # -- other hosts' attempts -----------------------------------------------------------------------------------------

    def is_up_to_date(self) -> bool:
        """Whether this host's witness knows of every attempt so far. With a single host it always does.

        Raises:
            JournalUnavailable
        """
        if not self._ledger.shared:
            return True
        head, seen = self._ledger.head(), self._testimony()
        is_known = head == 0 or (isinstance(seen, Testimony) and seen.number >= head)
        return head == self._watched and is_known

    def catch_up(self) -> None:
        """Tell this host's witness of every host's attempts.

        Raises:
            JournalUnavailable
        """
        look = self.read()
        history = look.history
        if history.epoch is not None and (look.seen is None or look.floor < history.head):
            self._witness.write(Testimony(history.epoch, history.head, self.at_most(history)))
        self._watched = history.head

    def _testimony(self) -> Testimony | Untrusted | None:
        try:
            return self._witness.read()
        except Untrusted as untrusted:
            return untrusted

    def _ensure_witness(self, look: Look) -> None:
        """Create the witness before the first row, so that rows without a witness mean that the witness was lost."""
        if look.seen is None:
            self._witness.begin(look.epoch)


def _failures(history: History) -> int:
    return sum(record.kind == "password" and record.counts for record in history.records)


def _about(history: History) -> Kind:
    """Return what a reset is about: the password if it forgets a password's row or a doubt; else what would be sent."""
    forgets = any(record.kind in {"password", DOUBT} for record in history.records)
    return "password" if forgets else kind_of(history.current)


def _epoch(seen: Testimony | Untrusted | None) -> str:
    """Return a name for a journal that has none: the one in the witness, or else a new one."""
    return seen.epoch if isinstance(seen, Testimony) else uuid.uuid4().hex
