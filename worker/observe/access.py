"""Who may see the page and the metrics: this machine alone, or whoever has the token."""

import base64
import binascii
import hmac
import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

SHORTEST_TOKEN = 16


class UnsafeAddress(Exception):
    """The page and the metrics would be open to everybody beyond this machine."""

    log_safe = True


class Token(Protocol):
    """The token that page and metrics ask for."""

    def read(self) -> str:
        """The token now. May raise OSError or ValueError."""


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token from the settings themselves."""

    value: SecretStr

    def read(self) -> str:
        """The token."""
        return self.value.get_secret_value()


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A token in a file, read anew each time, so that a new one needs no restart."""

    path: Path

    def read(self) -> str:
        """The token now. Raises OSError or ValueError if the file can't be read."""
        return self.path.read_text().strip()


def check_access(host: str, token: Token | None) -> None:
    """Refuse to serve page and metrics at this host if strangers could read them.

    Raises:
        UnsafeAddress: the address is beyond loopback and there is no token, or it is too short.
        OSError, ValueError: the token can't be read.
    """
    if token is None and not is_loopback(host):
        raise UnsafeAddress(
            "Beyond loopback the status page and the metrics need a token: "
            "set health.token_file, or listen on 127.0.0.1."
        )
    if token is not None and len(token.read()) < SHORTEST_TOKEN:
        raise UnsafeAddress(
            f"The token of health.token_file is too short: it needs {SHORTEST_TOKEN} characters or more."
        )


def is_right(expected: str, authorization: str) -> bool:
    """Whether this `Authorization` header holds the token, as a bearer token or as the password of HTTP Basic."""
    given = _given_token(authorization)
    return len(expected) >= SHORTEST_TOKEN and hmac.compare_digest(given.encode(), expected.encode())


def _given_token(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return ""
    return ""


def is_local_name(host: str) -> bool:
    """Whether a `Host` header holds a loopback name or address, or none at all."""
    name = re.sub(r":\d*$", "", host).strip("[]").lower()
    return name in {"", "localhost"} or is_loopback(name)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address that is listened on."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def address(listen: str) -> tuple[str, int]:
    """The host and port of `127.0.0.1:8080` or `[::1]:8080`, the form that the setting has."""
    host, _, port = listen.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
