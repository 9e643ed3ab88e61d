"""`clamav`: has clamd scan each message before later handlers see it.

There are three results. *Clean*: later handlers get the message. *Infected*: it is a dead letter. *Unknown*: clamd
couldn't scan all of it (too large, encrypted, nested too deep), which isn't clean; a setting says what happens then. If
clamd can't be reached or is busy, there is no result, and the message is tried again later.

clamd reports OK for what exceeds its own limits, unless its configuration has `AlertExceedsMax yes`.
"""

import re
import socket
import struct
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from worker import Message, Reject, Retry
from worker.connections import Target

_CHUNK = 64 * 1024
_LONGEST_ANSWER = 4096
_PORT = 3310
_CLEAN = b"stream: OK"
# What clamd reports as FOUND if it couldn't scan something (with AlertExceedsMax, AlertEncrypted, …)
_NOT_LOOKED_AT = re.compile(rb"Heuristics\.(Limits\.Exceeded|Encrypted)")


class Infected(Reject):
    """clamd found malware."""


class Unscannable(Reject):
    """clamd couldn't scan all of the message, so it isn't known to be clean."""


class ClamAV:
    """Has ClamAV scan each message. Only messages without malware reach the handlers after it.

    Each scan has a connection of its own to clamd. Thread-safe.
    """

    class Settings(BaseModel):
        """The table `[handler.clamav]`."""

        model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

        url: str = Field(
            default="unix:///run/clamav/clamd.ctl",
            description="Where clamd listens: `unix://` and the path of its socket, or `tcp://host:3310`. clamd knows "
            "no encryption, so TCP to another machine needs `allow_clear`.",
        )
        allow_clear: bool = Field(
            default=False,
            description="Accept that mail goes to clamd on another machine in clear text. `check` and the log say so.",
        )
        unknown: Literal["reject", "retry", "pass"] = Field(
            default="reject",
            description="What happens to a message that clamd can't scan in full. `reject` makes it a dead letter, "
            "`retry` tries again later, `pass` goes on to the next handler.",
        )
        timeout: timedelta = Field(
            default=timedelta(minutes=2), gt=timedelta(0), description="How long a scan may take in all."
        )

        @field_validator("url")
        @classmethod
        def _is_an_address(cls, url: str) -> str:
            _address(url)
            return url

        @model_validator(mode="after")
        def _is_protected(self) -> "ClamAV.Settings":
            self._target.check("let clamd listen on a socket of this machine")
            return self

        @property
        def sends_clear(self) -> bool:
            """Whether mail goes to another machine in clear text."""
            return self._target.is_clear

        @property
        def _target(self) -> Target:
            address = _address(self.url)
            host = "" if isinstance(address, str) else address[0]
            return Target("clamd", host, allow_clear=self.allow_clear)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._address = _address(settings.url)

    def __call__(self, message: Message) -> None:
        """Return if the message is clean.

        Raises:
            Infected: malware was found. Unscannable: the result is unknown (with `unknown = "reject"`).
            Retry: clamd can't be reached or is busy, or the result is unknown (with `unknown = "retry"`).
        """
        verdict = _verdict(self._ask(message.raw))
        if verdict == "infected":
            raise Infected("clamd found something in the message")
        if verdict == "unknown":
            self._not_known()

    def _not_known(self) -> None:
        if self._settings.unknown == "reject":
            raise Unscannable("clamd could not look at all of the message")
        if self._settings.unknown == "retry":
            raise Retry("clamd could not look at all of the message", this_message=True)

    def _ask(self, raw: bytes) -> bytes:
        """Send the message to clamd and return the answer. Raises Retry if there is none."""
        deadline = time.monotonic() + self._settings.timeout.total_seconds()
        try:
            with self._connect(deadline) as connection:
                cut_off = not _send(connection, raw, deadline)
                answer = _receive(connection, deadline)
        except OSError as error:
            trouble = Retry(f"clamd can't be asked: {type(error).__name__}")
        else:
            if not cut_off or answer not in (b"", _CLEAN):
                return answer
            # clamd closed the connection while we were sending. It does so when StreamMaxLength is exceeded, and its
            # answer may get lost. An OK doesn't count: clamd hasn't read all of the message.
            if len(raw) > _CHUNK and self._is_there():
                return b"size limit exceeded"
            trouble = Retry("clamd hung up")
        raise trouble

    def _is_there(self) -> bool:
        deadline = time.monotonic() + min(5.0, self._settings.timeout.total_seconds())
        try:
            with self._connect(deadline) as connection:
                connection.sendall(b"zPING\0")
                return _receive(connection, deadline) == b"PONG"
        except OSError:
            return False

    def _connect(self, deadline: float) -> socket.socket:
        if isinstance(self._address, tuple):
            return socket.create_connection(self._address, timeout=_left(deadline))
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(_left(deadline))
            connection.connect(self._address)
        except OSError:
            connection.close()
            raise
        return connection


def _address(url: str) -> str | tuple[str, int]:
    parts = urlsplit(url)
    if parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/") and len(parts.path) < 108:
        return unquote(parts.path)
    try:
        port = parts.port or _PORT
    except ValueError:
        port = 0
    if parts.scheme == "tcp" and parts.hostname and port and parts.path in ("", "/"):
        return parts.hostname, port
    raise ValueError("must be unix:///path/of/the/socket or tcp://host:3310")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("clamd takes too long")
    return left


def _send(connection: socket.socket, raw: bytes, deadline: float) -> bool:
    """Send the message with INSTREAM; False if clamd closed the connection meanwhile."""
    try:
        for piece in _pieces(raw):
            connection.settimeout(_left(deadline))
            connection.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _pieces(raw: bytes) -> Iterator[bytes]:
    """As in clamd(8): `zINSTREAM`, then chunks, each preceded by its length in network order, then a length of 0."""
    yield b"zINSTREAM\0"
    for start in range(0, len(raw), _CHUNK):
        chunk = raw[start : start + _CHUNK]
        yield struct.pack("!L", len(chunk)) + chunk
    yield struct.pack("!L", 0)


def _receive(connection: socket.socket, deadline: float) -> bytes:
    answer = b""
    while b"\0" not in answer and len(answer) < _LONGEST_ANSWER:
        connection.settimeout(_left(deadline))
        try:
            more = connection.recv(_LONGEST_ANSWER)
        except ConnectionResetError:
            break
        if not more:
            break
        answer += more
    return answer.partition(b"\0")[0].strip()


def _verdict(answer: bytes) -> Literal["clean", "infected", "unknown"]:
    """What an answer means. Only the exact answer for clean counts as clean. Raises Retry if it is no verdict."""
    if answer == _CLEAN:
        return "clean"
    if answer.endswith(b" FOUND"):
        return "unknown" if _NOT_LOOKED_AT.search(answer) else "infected"
    if b"size limit exceeded" in answer:
        return "unknown"
    raise Retry("clamd gave no verdict")
