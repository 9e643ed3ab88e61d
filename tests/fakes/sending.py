"""What a sign-in for sending is made of, in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from worker.login.backoff import Lockout
from worker.login.credential import Candidate, Credential, CredentialUnavailable, Token
from worker.login.login_status import LoginStatus
from worker.login.mutex import AttemptInProgress
from worker.login.sending import SendingSignIn
from worker.login.standing import Standing, State
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import Kind, LoginFailure

READY = Standing(State.READY, failures=0, remaining=8, remaining_for_credential=3, kind="token")


@dataclass
class Sending:
    """Login, mutex, journal and source of tokens, each of which a test may change. Its clock stands until it is moved.

    asked: for each token that was asked for, whether it had to be a new one.
    """

    user: str
    token: str = "token-1"
    standing: Standing = READY
    busy: bool = False
    missing: str = ""
    failure: LoginFailure | None = None
    kind: Kind = "token"
    now: float = 1_795_000_000.0
    facts: dict[str, str] = field(default_factory=dict)
    asked: list[bool] = field(default_factory=list)

    def sign_in(self, *, by_person: bool = False) -> SendingSignIn:
        """As of a new start."""
        return SendingSignIn(self, login=self, mutex=self, memory=self, clock=lambda: self.now, by_person=by_person)

    def status(self) -> LoginStatus:
        return LoginStatus(self.standing, Lockout(), None)

    @contextmanager
    def hold(self, *, wait: bool = True) -> Iterator[None]:
        assert not wait, "an alert never waits for an attempt"
        if self.busy:
            raise AttemptInProgress("another process is making a login attempt")
        yield

    def recall(self, name: str) -> str | None:
        return self.facts.get(name)

    def remember(self, name: str, text: str, *, durable: bool = False) -> None:
        assert durable or text.startswith("[0, "), "a try counts only once it is on the disk"
        self.facts[name] = text

    def sending(self) -> Candidate:
        if self.missing:
            raise CredentialUnavailable(self.missing)
        return _Candidate(self)


@dataclass
class _Candidate:
    of: Sending
    identity: str = "sign-in"
    password: str | None = None

    @property
    def kind(self) -> Kind:
        return self.of.kind

    def obtain(self, *, refresh: bool) -> Credential:
        self.of.asked.append(refresh)
        if self.of.failure is not None:
            raise LoginFailed(self.of.failure)
        return Token(self.of.user, self.of.token)
