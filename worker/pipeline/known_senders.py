"""Recognises senders by a keyed hash, without keeping their addresses anywhere.

The key is in a file of its own in the state folder, readable by its owner alone. Replicas on several hosts must share
the file, or each knows only the senders whose mail it took in itself.
"""

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from worker import private_files
from worker.classify.policy import JunkPolicy
from worker.classify.sender_check import is_confirmed
from worker.message.mime.addresses import first_address
from worker.message.mime.headers import Headers

KEY_FILE = "senders.key"
_MARK_CHARACTERS = 32


class UnusableKey(Exception):
    """The key's file can't be read or made, or isn't a key."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A message's sender. mark: a keyed hash of the address; None without one. listed: the settings name it.

    confirmed: whether the provider confirmed that the message comes from there; None: it says nothing of that.
    """

    mark: str | None = None
    listed: bool = False
    confirmed: bool | None = None


class Senders:
    """Tells senders apart."""

    def __init__(self, key: bytes, listed: Callable[[str], bool], policy: JunkPolicy) -> None:
        """listed: whether the settings name an address as known. policy: names the provider's hosts."""
        self._key = key
        self._listed = listed
        self._policy = policy

    def __call__(self, headers: Headers) -> Sender:
        """The sender of a message: the first address of From, else of Sender. Never raises."""
        address = _address(headers.as_sent("from")) or _address(headers.as_sent("sender"))
        if not address:
            return Sender()
        confirmed = is_confirmed(headers, address, self._policy)
        return Sender(self.mark(address), self._listed(address), confirmed)

    def mark(self, address: str) -> str:
        """The keyed hash by which an address is stored."""
        as_stored = _in_one_case(address).encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, as_stored, "sha256").hex()[:_MARK_CHARACTERS]


def _address(values: Sequence[str]) -> str:
    return _in_one_case(first_address(values[0])) if values else ""


def _in_one_case(address: str) -> str:
    return address.strip().casefold()


def read_key(state_dir: Path) -> bytes:
    """The key, made at first use.

    Raises:
        UnusableKey: with what to do about it.
    """
    file = state_dir / KEY_FILE
    try:
        private_files.write_once(file, secrets.token_hex(private_files.KEY_BYTES) + "\n")
        private_files.keep_private(file)
        return private_files.read_key(file)
    except OSError as error:
        raise UnusableKey(f"{file} can't be used ({error.strerror}): let the worker's user read and write it") from None
    except ValueError:
        raise UnusableKey(
            f"{file} is no longer a valid key. Restore it, or remove it: then the worker learns known senders again"
        ) from None
