"""Alerts by mail from the account itself: SMTP submission after STARTTLS, by XOAUTH2 with the account's own sign-in."""

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from smtplib import SMTPAuthenticationError, SMTPException
from typing import Final, Protocol

from worker.connections import Dialer
from worker.login.credential import Token
from worker.login.sending import Hindered, SendingTry
from worker.logs.printable import printable
from worker.observe.delivery import NotSent
from worker.observe.news import News
from worker.observe.send_failure import Why
from worker.observe.smtp_answers import Step, why_refused
from worker.observe.smtp_conversation import (
    LONGEST_WORDS,
    SmtpClient,
    conversation,
    mail_of,
    send_to_all,
    words,
)

_XOAUTH2: Final = "XOAUTH2"
_PERMANENT: Final = 500
_LIKE_A_TOKEN: Final = re.compile(r"[A-Za-z0-9+/=_.~-]{50,}")
"""Longer than any word or host that a server has to say."""


class SignIn(Protocol):
    """The account's sign-in for sending."""

    def attempt(self) -> SendingTry:
        """Return a token to be sent once. Raises `Hindered`."""


class Submission:
    """Sends alerts from the account, in its own name, as the policy text asks of mail that goes out authenticated.

    No password is ever sent: XOAUTH2 is the only mechanism, and a token is asked for only once the server, whose
    certificate and name were verified, offers it. account: the mailbox's address. dialer: opens the connections.
    """

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        *,
        account: str,
        to: Sequence[str],
        sign_in: SignIn,
        ca_file: Path | None = None,
        dialer: Dialer | None = None,
    ) -> None:
        self.name = name
        self._host = host
        self._port = port
        self._account = account
        self._to = tuple(to)
        self._sign_in = sign_in
        self._ca_file = ca_file
        self._connect = partial(SmtpClient, dialer=dialer)

    def send(self, news: News) -> str:
        """Send it to everybody on the list, and return the server's words.

        Raises:
            NotSent: there is no token, or the server took the mail for nobody.
        """
        with self._greeted() as server:
            self._authenticate(server)
            return send_to_all(server, self.mail(news), self._account, self._to, channel=self.name)

    def greet(self) -> None:
        """Connect as for an alert, and neither sign in nor send anything.

        Raises:
            NotSent: an alert couldn't be sent either.
        """
        with self._greeted():
            pass

    def mail(self, news: News) -> EmailMessage:
        """It as a mail."""
        return mail_of(news, sender=self._account, to=self._to)

    @contextmanager
    def _greeted(self) -> Iterator[SmtpClient]:
        """A conversation with a server that has proved who it is, and offers XOAUTH2."""
        with conversation(self._connect, self._host, self._port, ca_file=self._ca_file) as server:
            offered = server.esmtp_features.get("auth", "").upper().split()
            if _XOAUTH2 not in offered:
                said = f"It offers: {printable(' '.join(offered)) or 'no sign-in at all'}"
                raise NotSent(None, Why.NO_XOAUTH2, said[:LONGEST_WORDS])
            yield server

    def _authenticate(self, server: SmtpClient) -> None:
        try:
            attempt = self._sign_in.attempt()
        except Hindered as hindered:
            raise NotSent(None, Why(hindered.why.value), hindered.said) from None
        answers = _Answers(self._account, attempt.token)
        try:
            server.auth(_XOAUTH2, answers)
        except SMTPAuthenticationError as error:
            if error.smtp_code < _PERMANENT:
                attempt.spared()
            said = answers.without_secrets(error.smtp_error)
            shown = words(error.smtp_code, said)
            raise NotSent(error.smtp_code, why_refused(Step.AUTH, error.smtp_code, shown), shown) from None
        except (SMTPException, OSError):
            attempt.spared()  # no answer: the token's use is unknown, and no password was in it
            raise
        attempt.taken()


class _Answers:
    """XOAUTH2's side of the dialogue: the token first, then nothing, whereupon the server refuses in words."""

    def __init__(self, user: str, token: Token) -> None:
        self._token = token
        self._first = f"user={user}\x01auth=Bearer {token.secret}\x01\x01"

    def __repr__(self) -> str:
        return "XOAUTH2(…)"

    def __call__(self, challenge: bytes | None = None) -> str:
        return self._first if challenge is None else ""

    def without_secrets(self, said: bytes | str) -> str:
        """What the server said, without the token, should it quote what it was sent, or a part of it."""
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        coded = b64encode(self._first.encode()).decode()
        return _LIKE_A_TOKEN.sub("…", text.replace(coded, "…").replace(self._token.secret, "…"))
