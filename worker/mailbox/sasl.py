"""SASL mechanisms for `IMAPClient.sasl_login`. They record whether the credential was sent, and how it was refused."""

import imaplib
import json
from typing import Final, Protocol

MOST_CHALLENGES: Final = 8
"""After this many challenges in one login we give up on the server."""


class Sasl(Protocol):
    """A client-first SASL mechanism, used for one login only."""

    sent: bool
    """Whether the credential was handed to IMAPClient for sending."""
    refusal: str | None
    """The status in the challenge with which the server refused, such as `401`; None if there was no such challenge."""

    def __call__(self, challenge: bytes, /) -> bytes:
        """Answer a challenge. The first one is empty.

        Raises:
            imaplib.IMAP4.abort: the server keeps sending challenges.
        """


class XOAuth2:
    """XOAUTH2 with a bearer token. Keeps the error that the server sends as a second challenge.

    IMAPClient's own `oauth2_login` answers that challenge by sending the token again, and loses the error.
    """

    def __init__(self, user: str, token: str) -> None:
        self._user = user
        self._token = token
        self._asked = 0
        self.sent = False
        self.refusal: str | None = None

    def __repr__(self) -> str:
        return "XOAuth2(…)"

    def __call__(self, challenge: bytes) -> bytes:
        """Answer with the token, then with nothing, whereupon the server says NO."""
        self._asked = _asked_again(self._asked)
        if self.sent:
            self.refusal = _status(challenge)
            return b""
        self.sent = True
        return f"user={self._user}\x01auth=Bearer {self._token}\x01\x01".encode()


class Plain:
    """PLAIN (RFC 4616), which can carry a password in UTF-8; IMAP's LOGIN can't.

    IMAPClient's own `plain_login` answers every challenge with the password: several attempts in one login.
    """

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._asked = 0
        self.sent = False
        self.refusal: str | None = None

    def __repr__(self) -> str:
        return "Plain(…)"

    def __call__(self, _challenge: bytes) -> bytes:
        """Answer the first challenge with the password, and any other with nothing."""
        self._asked = _asked_again(self._asked)
        if self.sent:
            return b""
        self.sent = True
        return f"\0{self._user}\0{self._password}".encode()


def _asked_again(before: int) -> int:
    if before >= MOST_CHALLENGES:
        raise imaplib.IMAP4.abort("challenges without end")
    return before + 1


def _status(challenge: bytes) -> str:
    """Read the status from a challenge such as `{"status":"401","schemes":"bearer","scope":"…"}`."""
    try:
        said = json.loads(challenge)
    except ValueError:
        return "unreadable"
    status = str(said.get("status", "")) if isinstance(said, dict) else ""
    return status if status.isdecimal() and len(status) <= 3 else "unreadable"
