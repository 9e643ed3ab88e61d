"""What parsing a message costs: our parser with its skeleton, compared with parsers that split every line."""

import email
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median

import mailparser  # type: ignore[import-untyped]  # it ships no types

from bench import mail
from bench.options import Options
from bench.report import MB, Report, Spread, console
from bench.site import Site
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


def measure(_site: Site, report: Report, options: Options) -> None:
    """Measure g: parsing."""
    for size, bound in ((600_000, 5), (5_000_000, 5), (25_540_000, 5)):
        raw = mail.attachment(random.Random(size), 0, size)
        with console.status(f"taking a message of {len(raw) / MB:.1f} MB apart"):
            found = compare(raw, options.rounds)
        own = found["ours"]
        for name in ("standard library", "mail-parser"):
            ratio = Spread.ratio(found[name], own)
            report.say(
                f"g  attachments of {len(raw) / MB:.1f} MB, next to {name}",
                f"{median(own) * 1e3:.1f} ms against {median(found[name]) * 1e3:.1f} ms: {ratio} × as fast",
                f"≥ {bound} ×",
                met=ratio.middle >= bound,
            )
        report.raw[f"parsing, {size}"] = found
