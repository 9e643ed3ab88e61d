"""The OAuth token cache: a file in the state folder (0600), and the only secret that the worker keeps on the disk."""

import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from worker.login.credential import CredentialUnavailable
from worker.private_files import is_too_open, written_whole

NAME: Final = "oauth.json"


@dataclass(frozen=True, slots=True)
class SignIn:
    """What is kept of a sign-in. name: unique to this sign-in. tokens: as serialised by msal."""

    name: str
    tokens: str = field(repr=False)


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
            return SignIn(str(stored["name"]), str(stored["tokens"]))
        except (ValueError, TypeError, KeyError):
            return None

    def save(self, tokens: str, *, name: str | None = None) -> None:
        """Keep these tokens. name: the sign-in's; None for a new sign-in."""
        content = json.dumps({"name": name or uuid.uuid4().hex, "tokens": tokens}).encode()
        try:
            with written_whole(self._path) as file:
                file.write(content)
        except OSError as error:
            raise CredentialUnavailable(
                f"The token cache {self._path} can't be written ({error.strerror}). Make the state folder writable."
            ) from error

    def forget(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)
