"""Credentials: where they come from, and what the session is given. They are read before each attempt, never kept."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from worker import private_files
from worker.mailbox.login_failures import Kind
from worker.mailbox.sasl import Sasl, XOAuth2
from worker.private_files import FileMode, NotAFile, TooLarge, TooOpen, UnfitSecret

Auth = Literal["password", "oauth2-browser", "oauth2-client", "oauth2-device", "oauth2-password"]
"""The ways to log in, as spelled in `[account] auth`."""


class CredentialUnavailable(Exception):
    """There is no credential to try: its file is missing, unusable, or open to others. Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Password:
    """The account's password, for one login."""

    user: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """An OAuth access token, for one login. kept: it is from an earlier attempt, so it may have expired by now."""

    user: str
    secret: str = field(repr=False)
    kept: bool = field(default=False, compare=False)

    def mechanism(self) -> Sasl:
        """Return XOAUTH2 with this token, to be used once."""
        return XOAuth2(self.user, self.secret)


Credential = Password | Token


class Candidate(Protocol):
    """What an attempt would send, before the guard has allowed it."""

    @property
    def kind(self) -> Kind:
        """Whether the account's password would leave the process, or only a token."""

    @property
    def identity(self) -> str:
        """What distinguishes this credential from any other. Only its fingerprint is stored."""

    @property
    def password(self) -> str | None:
        """The account's password behind it, to be checked against the policy; None if there is none."""

    def obtain(self, *, refresh: bool) -> Credential:
        """Return the credential. This may ask the token endpoint, so call it only within an attempt.

        refresh: don't use a token from an earlier attempt.

        Raises:
            LoginFailed: the token endpoint refused, or didn't answer.
        """


class CredentialSource(Protocol):
    """Where candidates come from."""

    @property
    def needs_restart(self) -> bool:
        """Whether a changed credential is seen only after a restart, as when it comes from the environment."""

    @property
    def auth(self) -> Auth:
        """The way to log in."""

    @property
    def way(self) -> str:
        """The way to log in with all its settings, none of them secret. Two ways are the same if their texts are."""

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
        """Return the password for the session."""
        return Password(self.user, self.secret)


class PasswordSource:
    """The password, read from a file or given by the settings."""

    def __init__(self, user: str, *, file: Path | None, value: str | None, mode: FileMode = "private") -> None:
        """Take either file or value. mode: who may read the file."""
        if (file is None) == (value is None):
            raise ValueError("a password comes from a file or from the environment, one of them")
        self._user = user
        self._file = file
        self._value = value
        self._mode: FileMode = mode

    @property
    def needs_restart(self) -> bool:
        """A password from the environment can't change while the process runs."""
        return self._file is None

    @property
    def auth(self) -> Auth:
        """The password is sent to the mail server."""
        return "password"

    @property
    def way(self) -> str:
        """The way to log in; it has no settings."""
        return self.auth

    def read(self) -> str:
        """Read the password as it is now.

        Raises:
            CredentialUnavailable: the file can't be read, or is open to others.
        """
        if self._file is not None:
            return read_secret(self._file, self._mode)
        return self._value or ""

    def candidate(self) -> Candidate:
        """Return the password as it is now."""
        return PasswordCandidate(self._user, self.read())


def read_secret(path: Path, mode: FileMode) -> str:
    """Read a secret that a login needs.

    Raises:
        CredentialUnavailable: says what is wrong and what to do, and never quotes the content.
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
            return "isn't a file. No login was tried. Give the file that holds the secret."
        case TooOpen():
            return (
                f"is readable by people other than its owner (mode {unfit.mode:o}). No login was tried. Run `chmod "
                '600` on it. For a secret mount that can\'t be changed, set `password_file_mode` to "group" or '
                '"any".'
            )
        case TooLarge():
            return "is too large to be a secret. No login was tried. Give the right file."
        case _:
            return "isn't text in UTF-8. No login was tried. Save it as UTF-8."
