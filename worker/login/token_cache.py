"""The OAuth token cache: a file in the state folder (0600), and the only secret that the worker keeps on the disk."""

import fcntl
import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from worker.login.credential import CredentialUnavailable
from worker.private_files import is_too_open, owned, written_whole

NAME: Final = "oauth.json"
LOCK: Final = "oauth.lock"
"""Locked while the file changes: a person may sign in while the worker renews what is kept."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What is kept of a sign-in. name: unique to this sign-in. tokens: as serialised by msal.

    user: who signed in; None: an earlier version kept it, which let nobody sign in but the mailbox's own account.
    scopes: what was asked for; empty: an earlier version kept it, which asked for reading alone.
    """

    name: str
    tokens: str = field(repr=False)
    user: str | None = None
    scopes: tuple[str, ...] = ()

    def is_of(self, user: str, *, mailbox: str) -> bool:
        """Whether this user signed in. mailbox: the mailbox's address."""
        return (self.user or mailbox).casefold() == user.casefold()


class TokenCache:
    """The cache file. It is always replaced as a whole, and nobody else can read it."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NAME

    def load(self) -> SignIn | None:
        """Return the sign-in that is kept; None if there is none, or the file is damaged.

        Raises:
            CredentialUnavailable: the file exists, but we may not read it, or others may.
        """
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CredentialUnavailable(
                f"The token cache {self._path} can't be read ({error.strerror}). No login was tried. Make it the "
                "worker's own, or remove it and sign in again."
            ) from error
        with os.fdopen(descriptor, "rb") as file:
            if is_too_open(os.fstat(descriptor).st_mode, "private"):
                raise CredentialUnavailable(
                    f"The token cache {self._path} may be read by others. No login was tried. Run `chmod 600` on it."
                )
            content = file.read()
        try:
            stored = json.loads(content)
            user = stored.get("user")
            scopes = tuple(map(str, stored.get("scopes") or ()))
            return SignIn(str(stored["name"]), str(stored["tokens"]), None if user is None else str(user), scopes)
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    def has(self, kept: SignIn) -> bool:
        """Whether this sign-in is still the one that is kept: meanwhile a person may have made another."""
        now = self.load()
        return now is not None and now.name == kept.name

    def save(self, tokens: str, *, user: str, scopes: Sequence[str] = ()) -> None:
        """Keep the tokens of a new sign-in. user: who signed in. scopes: what was asked for.

        Raises:
            CredentialUnavailable: the file can't be written.
        """
        with self._locked():
            self._write(tokens, user=user, name=uuid.uuid4().hex, scopes=scopes)

    def renew(self, kept: SignIn, tokens: str, *, user: str) -> None:
        """Keep the newer tokens of a sign-in, unless a person has made another meanwhile. user: who signed in.

        Raises:
            CredentialUnavailable: the file can't be read or written.
        """
        with self._locked():
            if self.has(kept):
                self._write(tokens, user=user, name=kept.name, scopes=kept.scopes)

    def forget(self, kept: SignIn) -> None:
        """Remove the file, unless a person has made another sign-in meanwhile.

        Raises:
            CredentialUnavailable: the file can't be read or removed.
        """
        with self._locked():
            if self.has(kept):
                self._path.unlink(missing_ok=True)

    def _write(self, tokens: str, *, user: str, name: str, scopes: Sequence[str]) -> None:
        content = json.dumps({"name": name, "user": user, "scopes": list(scopes), "tokens": tokens}).encode()
        with written_whole(self._path) as file:
            file.write(content)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """No other process changes the file in this block."""
        try:
            lock = os.open(self._path.with_name(LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(owned(lock, self._path.parent), fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise CredentialUnavailable(
                f"The token cache {self._path} can't be written ({error.strerror}). Make the state folder writable."
            ) from error
