"""The account's sign-in for sending: a token for SMTP, got beside the guard and never at its expense.

No password is ever sent, neither over SMTP nor to the sign-in service. What is sent is a token that this sign-in
already gives: the guard's attempts aren't touched, none is spent, and nothing that fails here is counted there. Nothing
is sent while the login is halted, or waits after an answer that was about the credential. It takes the attempt mutex
while it asks the sign-in service, so that no refresh token is used twice at once, and never waits for it.

What is refused here has a count of its own in the journal, which is written before anything is sent. Each refusal in a
row makes the wait longer, up to one try a day; a person's own try doesn't wait.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

from worker.journal.database import JournalUnavailable
from worker.login.credential import Candidate, CredentialUnavailable, Token
from worker.login.endpoint_advice import meaning, words
from worker.login.login_status import LoginStatus
from worker.login.mutex import AttemptInProgress
from worker.login.standing import Standing, State
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import TRANSIENT, FailureClass

_PASSES: Final = TRANSIENT | {FailureClass.LOST_AFTER_SENDING}
"""Answers of the sign-in service, and the lack of one, that say nothing about the sign-in."""
FACT: Final = "alerts.submission"
WAITS: Final = (60.0, 600.0, 3600.0, 14_400.0, 86_400.0)
"""Seconds until the next try after one, two, … refusals in a row; the last repeats."""


class Hindrance(StrEnum):
    """Why there is no token to send with."""

    LOGIN_HALTED = "login-halted"
    LOGIN_COOLING = "login-cooling"
    ATTEMPT_IN_PROGRESS = "attempt-in-progress"
    RESTING = "resting"
    NO_SIGN_IN = "no-sign-in"
    TOKEN_REFUSED = "token-refused"  # noqa: S105 -- a reason's name
    """The sign-in service refused."""
    NO_TOKEN = "no-token"  # noqa: S105 -- a reason's name
    """The sign-in service gave no answer, or one that passes by itself."""
    NO_COUNT = "no-count"
    """The journal can't be used, so that refusals couldn't be counted."""


class Hindered(Exception):
    """There is no token to send with. said: more about it, for a person; may be empty."""

    def __init__(self, why: Hindrance, said: str = "") -> None:
        super().__init__(why.value)
        self.why = why
        self.said = said


class Login(Protocol):
    """The guard, asked only where the login stands."""

    def status(self) -> LoginStatus:
        """Where it stands, from the journal."""


class Mutex(Protocol):
    """The attempt mutex."""

    def hold(self, *, wait: bool = True) -> AbstractContextManager[None]:
        """Hold it for a block."""


class Source(Protocol):
    """Where tokens for sending come from."""

    def sending(self) -> Candidate:
        """What would be sent now; never a password. Raises `CredentialUnavailable`."""


class Memory(Protocol):
    """Single facts of the journal. Both methods may raise `JournalUnavailable`."""

    def recall(self, name: str) -> str | None:
        """The fact of this name."""

    def remember(self, name: str, text: str, *, durable: bool = False) -> None:
        """Replace it. durable: it is on the disk when this returns."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """count: refusals in a row. at: the last one (epoch s)."""

    count: int = 0
    at: float = 0.0

    @property
    def ends(self) -> float:
        """When the wait after it is over (epoch s)."""
        return self.at + WAITS[min(self.count, len(WAITS)) - 1] if self.count else 0.0

    def rests(self, now: float) -> bool:
        """Whether the wait still lasts. A clock that was set back ends it."""
        return self.at <= now < self.ends


@dataclass(frozen=True, slots=True)
class SendingTry:
    """One use of a token. It counts as refused until somebody says otherwise.

    If the journal is lost meanwhile, it goes on counting as refused: a longer wait, and no alert is kept back.
    """

    token: Token = field(repr=False)
    _memory: Memory = field(repr=False)
    _before: _Refused

    def taken(self) -> None:
        """The server has taken the token: the count begins anew."""
        with suppress(JournalUnavailable):
            _store(self._memory, _Refused())

    def spared(self) -> None:
        """The server has said nothing about the token, so this try doesn't count."""
        with suppress(JournalUnavailable):
            _store(self._memory, self._before)


class SendingSignIn:
    """Gives tokens to send with. by_person: somebody waits for the result, so a wait after a refusal is skipped."""

    def __init__(
        self,
        source: Source,
        *,
        login: Login,
        mutex: Mutex,
        memory: Memory,
        clock: Callable[[], float],
        by_person: bool = False,
    ) -> None:
        self._source = source
        self._login = login
        self._mutex = mutex
        self._memory = memory
        self._clock = clock
        self._by_person = by_person

    def attempt(self) -> SendingTry:
        """Return a token to be sent once. Its count is on the disk by then.

        Raises:
            Hindered: nothing may be sent, or there is no token.
        """
        try:
            with self._mutex.hold(wait=False):
                _refuse_unless_well(self._login.status().standing)
                before = self._refused()
                candidate = self._source.sending()
                _store(self._memory, _Refused(before.count + 1, self._clock()))
                return SendingTry(self._token(candidate, before), self._memory, before)
        except AttemptInProgress:
            raise Hindered(Hindrance.ATTEMPT_IN_PROGRESS) from None
        except CredentialUnavailable as unavailable:
            raise Hindered(Hindrance.NO_SIGN_IN, str(unavailable)) from unavailable
        except JournalUnavailable as unavailable:
            raise Hindered(Hindrance.NO_COUNT) from unavailable

    def _refused(self) -> _Refused:
        before = _read(self._memory.recall(FACT))
        if not self._by_person and before.rests(self._clock()):
            until = datetime.fromtimestamp(before.ends, UTC)
            raise Hindered(Hindrance.RESTING, f"{before.count} in a row. The next try is at {until:%Y-%m-%d %H:%M} UTC")
        return before

    def _token(self, candidate: Candidate, before: _Refused) -> Token:
        if candidate.kind != "token":
            raise TypeError("the worker never sends a password in order to send mail")
        try:
            found = candidate.obtain(refresh=before.count > 0)
        except LoginFailed as failed:
            passes = failed.failure.cls in _PASSES
            if passes:
                _store(self._memory, before)
            said = failed.failure.said
            text = (meaning(said, "token") or words(said)) if said else ""
            raise Hindered(Hindrance.NO_TOKEN if passes else Hindrance.TOKEN_REFUSED, text) from failed
        if not isinstance(found, Token):
            raise TypeError("the worker never sends a password over SMTP")
        return found


def _refuse_unless_well(standing: Standing) -> None:
    """Refuse where the login is halted, or waits after an answer that was about the credential."""
    if standing.state is State.HALTED:
        raise Hindered(Hindrance.LOGIN_HALTED)
    if standing.state is State.COOLING and standing.reason not in TRANSIENT:
        raise Hindered(Hindrance.LOGIN_COOLING)


def _read(stored: str | None) -> _Refused:
    try:
        count, at = json.loads(stored or "[0, 0]")
        return _Refused(max(0, int(count)), float(at))
    except (ValueError, TypeError):
        return _Refused()


def _store(memory: Memory, refused: _Refused) -> None:
    # A count that is lost with the disk's cache would be a try more than there may be; a success that is lost, a wait.
    memory.remember(FACT, json.dumps([refused.count, refused.at]), durable=refused.count > 0)
