"""What parsing a message costs: our parser with its skeleton, compared with parsers that split every line."""

import email
import time
from collections.abc import Callable
from datetime import UTC, datetime

import mailparser  # type: ignore[import-untyped]  # it ships no types

from worker.message.message import Message
from worker.message.verdict import MailPath, Verdict

_RECEIVED = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def ours(raw: bytes) -> list[bytes]:
    """Return the attachments' bytes as handlers get them."""
    message = Message(raw, key="k" * 26, folder="INBOX", received_at=_RECEIVED, verdict=Verdict(MailPath.CLEAN))
    return [attachment.read() for attachment in message.attachments]


def standard_library(raw: bytes) -> list[bytes]:
    """Do the same with the standard library's parser, the least that a walk of mail-parser's `.message` costs."""
    return _attached(email.message_from_bytes(raw))


def mail_parser(raw: bytes) -> list[bytes]:
    """Do the same with mail-parser, which decodes everything while parsing."""
    return _attached(mailparser.parse_from_bytes(raw).message)


PARSERS: dict[str, Callable[[bytes], list[bytes]]] = {
    "ours": ours,
    "standard library": standard_library,
    "mail-parser": mail_parser,
}


def _attached(message: email.message.Message) -> list[bytes]:
    payloads = [part.get_payload(decode=True) for part in message.walk() if part.get_filename() is not None]
    return [payload for payload in payloads if isinstance(payload, bytes)]


def compare(raw: bytes, rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds of each parser in each round. The parsers take turns.

    Raises RuntimeError if they don't find the same bytes.
    """
    if not ours(raw) == standard_library(raw) == mail_parser(raw) != []:
        raise RuntimeError("the parsers found different attachments")
    seconds: dict[str, list[float]] = {name: [] for name in PARSERS}
    for _ in range(rounds):
        for name, parser in PARSERS.items():
            started = time.process_time()
            parser(raw)
            seconds[name].append(time.process_time() - started)
    return seconds
