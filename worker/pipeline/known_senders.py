"""Senders by a keyed hash: known again without their addresses being kept anywhere.

The key lies in a file of its own in the state folder, readable by its owner alone. Replicas on several hosts share the
file, or each knows only the senders whose mail it took in itself.
"""

import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from worker.message.mime.addresses import addresses
from worker.message.mime.headers import Headers
from worker.private_files import owned

KEY_FILE = "senders.key"
_KEY_BYTES = 32
_MARK_CHARACTERS = 32


class UnusableKey(Exception):
    """The key's file can't be read or made, or isn't a key."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A message's sender. mark: a keyed hash of the address; None without one. listed: the settings name it."""

    mark: str | None = None
    listed: bool = False


class Senders:
    """Tells senders apart. `listed`: whether the settings name an address as known."""

    def __init__(self, key: bytes, listed: Callable[[str], bool]) -> None:
        self._key = key
        self._listed = listed

    def __call__(self, headers: Headers) -> Sender:
        """The sender of a message: the first address of From, else of Sender. Never raises."""
        address = _address(headers.raw("From")) or _address(headers.raw("Sender"))
        if not address:
            return Sender()
        found = hmac.new(self._key, address.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()
        return Sender(found[:_MARK_CHARACTERS], self._listed(address))


def _address(values: Sequence[str]) -> str:
    found = addresses(values[:1])
    return found[0].strip().casefold() if found else ""


def read_key(state_dir: Path) -> bytes:
    """The key, made at first use.

    Raises:
        UnusableKey: with what to do about it.
    """
    file = state_dir / KEY_FILE
    try:
        if not file.exists():
            _make(file)
        if file.stat().st_mode & 0o077:
            file.chmod(0o600)  # a mounted volume may have been opened to a group
        key = bytes.fromhex(file.read_text("ascii"))
    except OSError as error:
        raise UnusableKey(f"{file} can't be used ({error.strerror}): let the worker's user read and write it") from None
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise UnusableKey(f"{file} isn't a key any more: restore it, or remove it, and known senders are learnt anew")
    return key


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, written = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}")  # its mode is 0600
    with os.fdopen(owned(descriptor, file.parent), "w") as stream:
        stream.write(secrets.token_hex(_KEY_BYTES) + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    with suppress(FileExistsError):  # another process was quicker: its key is the one
        os.link(written, file)
    Path(written).unlink()
