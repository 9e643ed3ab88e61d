"""Credentials: where they are read from, and what is handed to the session. Read before each attempt, never kept."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from worker import private_files
from worker.mailbox.login_failures import Kind
from worker.mailbox.sasl import Sasl, XOAuth2
from worker.private_files import FileMode, NotAFile, TooLarge, TooOpen, UnfitSecret

Auth = Literal["password", "oauth2-client", "oauth2-device", "oauth2-password"]
"""The ways to log in, as `[account] auth` has them."""


class CredentialUnavailable(Exception):
    """There is no credential to try: its file is missing, or readable by too many. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Password:
    """The account's password, for one login."""

    user: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """An OAuth access token, for one login. kept: from before, so that the server may know that it is over."""

    user: str
    secret: str = field(repr=False)
    kept: bool = field(default=False, compare=False)

    def mechanism(self) -> Sasl:
        """XOAUTH2 with this token, for one use."""
        return XOAuth2(self.user, self.secret)


Credential = Password | Token


class Candidate(Protocol):
    """What an attempt would send, before it is allowed to."""

    @property
    def kind(self) -> Kind:
        """Whether the account's password leaves the process, or a token alone."""

    @property
    def identity(self) -> str:
        """What makes it this credential and no other; it is fingerprinted, never stored."""

    @property
    def password(self) -> str | None:
        """The account's password behind it, which the policy is about; None: there is none."""

    def obtain(self, *, refresh: bool) -> Credential:
        """The credential itself. May ask the token endpoint, so only within an attempt.

        refresh: don't use a token that was kept from before.

        Raises:
            LoginFailed: the token endpoint refused, or didn't answer.
        """


class CredentialSource(Protocol):
    """Where candidates come from."""

    @property
    def needs_restart(self) -> bool:
        """Whether a change is only seen after a restart (the environment of a process doesn't change)."""

    @property
    def auth(self) -> Auth:
        """The way to log in."""

    @property
    def way(self) -> str:
        """The way to log in with all settings that it goes by, none of them secret: another text is another way."""

    def candidate(self) -> Candidate:
        """What an attempt would send now.

        Raises:
            CredentialUnavailable: there is nothing to send.
        """


@dataclass(frozen=True, slots=True)
class PasswordCandidate:
    """A password that would be sent to the mail server."""

    user: str
    secret: str = field(repr=False)
    kind: Kind = "password"

    @property
    def identity(self) -> str:
        """The password."""
        return self.secret

    @property
    def password(self) -> str | None:
        """The password."""
        return self.secret

    def obtain(self, *, refresh: bool) -> Credential:  # noqa: ARG002 -- a password has nothing to refresh
        """The password, for the session."""
        return Password(self.user, self.secret)


class PasswordSource:
    """The password from a file, or from the environment by way of the settings."""

    def __init__(self, user: str, *, file: Path | None, value: str | None, mode: FileMode = "private") -> None:
        """One of file and value. mode: who may read the file."""
        if (file is None) == (value is None):
            raise ValueError("a password comes from a file or from the environment, one of them")
        self._user = user
        self._file = file
        self._value = value
        self._mode: FileMode = mode

    @property
    def needs_restart(self) -> bool:
        """A password from the environment is that of the process's start."""
        return self._file is None

    @property
    def auth(self) -> Auth:
        """The password goes to the mail server."""
        return "password"

    @property
    def way(self) -> str:
        """Nothing else belongs to it."""
        return self.auth

    def read(self) -> str:
        """The password as it is now.

        Raises:
            CredentialUnavailable: the file can't be read, or may be read by too many.
        """
        if self._file is not None:
            return read_secret(self._file, self._mode)
        return self._value or ""

    def candidate(self) -> Candidate:
        """The password as it is now."""
        return PasswordCandidate(self._user, self.read())


def read_secret(path: Path, mode: FileMode) -> str:
    """A secret from a file, for a login.

    Raises:
        CredentialUnavailable: with what is wrong and what to do; never with the content.
    """
    try:
        return private_files.read_secret(path, mode)
    except OSError as error:
        raise CredentialUnavailable(
            f"{path} can't be read ({error.strerror}). No login was tried. Put the secret there, readable by the "
            "worker."
        ) from error
    except UnfitSecret as unfit:
        raise CredentialUnavailable(f"{path} {_what_is_wrong(unfit)}") from None


def _what_is_wrong(unfit: UnfitSecret) -> str:
    match unfit:
        case NotAFile():
            return "isn't a file. No login was tried. Name the file that holds the secret."
        case TooOpen():
            return (
                f"may be read by others than its owner (mode {unfit.mode:o}). No login was tried. "
                'Run `chmod 600` on it; for a secret mount that can\'t be changed, set `password_file_mode` to "group" '
                'or "any".'
            )
        case TooLarge():
            return "is too large to be a secret. No login was tried. Name the right file."
        case _:
            return "isn't text in UTF-8. No login was tried. Save it as UTF-8."
