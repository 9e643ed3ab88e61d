"""The baseline for the worker: one thread that fetches in batches, and parses one message after the other.

Run as `python -m bench.one_thread PARSER HOST PORT CA_FILE ADDRESS PASSWORD`. PARSER is `mail-parser` or `message` (the
worker's own); both decode every attachment. Prints seconds and messages.
"""

import base64
import ssl
import sys
import time
from collections.abc import Callable

from imapclient import IMAPClient

AT_ONCE = 25


def drain(client: IMAPClient, parse: Callable[[bytes], int]) -> int:
    """Fetch and parse everything in INBOX; returns the number of messages."""
    client.select_folder("INBOX", readonly=True)
    uids = client.search("ALL")
    for start in range(0, len(uids), AT_ONCE):
        for items in client.fetch(uids[start : start + AT_ONCE], ["BODY.PEEK[]"]).values():
            parse(items[b"BODY[]"])
    return len(uids)


def by_mail_parser(raw: bytes) -> int:
    """Parse with mail-parser and decode the attachments; returns their total size in bytes."""
    import mailparser  # type: ignore[import-untyped]  # ships no types

    parsed = mailparser.parse_from_bytes(raw)
    return sum(len(base64.b64decode(attachment["payload"])) for attachment in parsed.attachments)


def by_message(raw: bytes) -> int:
    """Parse with the worker's `Message` and decode the attachments; returns their total size in bytes."""
    from datetime import UTC, datetime

    from worker.message.message import Message
    from worker.message.verdict import MailPath, Verdict

    message = Message(raw, key="k", folder="INBOX", received_at=datetime.now(UTC), verdict=Verdict(MailPath.CLEAN, ()))
    return sum(len(attachment.read()) for attachment in message.attachments)


def main() -> None:
    """Print the figures."""
    parser, host, port, ca_file, address, password = sys.argv[1:]
    started = time.perf_counter()
    with IMAPClient(host, int(port), ssl_context=ssl.create_default_context(cafile=ca_file), timeout=60) as client:
        client._imap.debug = 0  # noqa: SLF001 -- otherwise IMAPClient formats every body for debugging, which would slow the baseline
        client.login(address, password)
        count = drain(client, {"mail-parser": by_mail_parser, "message": by_message}[parser])
    print(time.perf_counter() - started, count)


if __name__ == "__main__":
    main()
