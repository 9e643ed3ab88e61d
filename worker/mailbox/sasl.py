"""SASL mechanisms for `IMAPClient.sasl_login`: they know what was sent, and keep the server's refusal."""

import imaplib
import json
from typing import Final, Protocol

MOST_CHALLENGES: Final = 8
"""A server that goes on asking after so many answers is left."""


class Sasl(Protocol):
    """A client-first SASL mechanism that is used for one login."""

    sent: bool
    """Whether the credential was handed over to be sent."""
    refusal: str | None
    """The status that the server's challenge named in refusing (`401`); None: there was no such challenge."""

    def __call__(self, challenge: bytes, /) -> bytes:
        """The response to a challenge; the first challenge is empty.

        Raises:
            imaplib.IMAP4.abort: the server asks without end.
        """


class XOAuth2:
    """XOAUTH2 with a bearer token: the token first; the server's error, which comes as a challenge, is kept.

    IMAPClient's own `oauth2_login` answers that challenge with the token a second time, and loses what it said.
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
        """The token, then empty answers: the server says NO after the first of those."""
        self._asked = _asked_again(self._asked)
        if self.sent:
            self.refusal = _status(challenge)
            return b""
        self.sent = True
        return f"user={self._user}\x01auth=Bearer {self._token}\x01\x01".encode()


class Plain:
    """PLAIN (RFC 4616), in UTF-8, which IMAP's LOGIN command can't carry.

    IMAPClient's own `plain_login` answers every challenge with the password: several attempts at it in one login.
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
        """The password at the first challenge, never a second time."""
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
    """The challenge is JSON such as `{"status":"401","schemes":"bearer","scope":"…"}`."""
    try:
        said = json.loads(challenge)
    except ValueError:
        return "unreadable"
    status = str(said.get("status", "")) if isinstance(said, dict) else ""
    return status if status.isdecimal() and len(status) <= 3 else "unreadable"
