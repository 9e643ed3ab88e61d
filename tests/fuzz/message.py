"""Broken mail without end: nothing but its own errors comes out of a `Message`, in little time and little memory.

`python -m tests.fuzz.message --seconds 600` prints figures, and ends with 1 when something else came out; the message
is then kept, and its number makes it again.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.hostile import hostile
from tests.unit.message.messages import message, use
from tests.unit.message.mime import winmail
from tests.unit.message.mime.mails import Maker
from worker.message.mime.limits import Limits, MessageError

SECONDS = 10
"""What one message may take, at most."""
MEMORY = 1_000_000_000
"""Bytes that the process may have, at most, beside what it has at the start."""
LARGEST = 4_000_000

TIGHT = Limits(
    header_bytes=2_000, parts=6, depth=2, attachments=4, attachment=10_000, expansion=2.0, header_parameters=5,
    lines=200, parsed_lines=500,
)  # fmt: skip
"""Of every third message: limits that even good mail may be over."""

WORDS = [
    b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b"--", b"=", b"=?utf-8?b?", b"?=", b";", b'"', b"\\", b"(", b"<", b">",
    b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: message/rfc822\r\n\r\n", b"--a\r\n", b"--a--\r\n",
    b"Content-Type: text/html; charset=utf-7\r\n", b"Content-Type: text/plain; charset=\xff\r\n", b"charset=utf-16",
    b"Content-Type: application/ms-tnef; name=winmail.dat\r\n", b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n", b"Content-Transfer-Encoding: x-uuencode\r\n", b"begin 644 x\n",
    b"Content-Disposition: attachment; filename*0*=utf-8''%2e%2e%2f; filename*1=con\r\n", b"filename=\"..\\..\\nul\"",
    b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n", b"Content-Type: message/partial; id=x\r\n",
    b"Content-Type: multipart/report; report-type=delivery-status; boundary=a\r\n", b"ATP Scan In Progress",
    b"Date: Fri, 99 Foo 99999 99:99:99 +9999\r\n", b"From: " + b"(" * 300, b"To: a@b, " * 50, b"boundary*0=a;",
    b"<table><tr><td>", b"<div>" * 50, b"<!--", b"&#x110000;", b"%PDF-1.7", b"MZ", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"Subject: " + b"a\xcc\x81\xcc\xa7" * 200, b'filename="' + b"\xcc\x81\xcc\xa7" * 2_000 + b'.pdf"\r\n',
    b"\xcc\x81\xcc\xa7" * 20, b"From: a@b.uk <c@d.uk>, (x) \"y\r\n",
    winmail.SIGNATURE, winmail.winmail(winmail.file("r.pdf", b"%PDF")), b"-----BEGIN PGP MESSAGE-----",
]  # fmt: skip


def made(number: int) -> bytes:
    """The message with this number, always the same: a good one or a hostile one, broken in one place or many."""
    chance = random.Random(number)
    raw = bytearray(Maker(chance.randrange(100_000)).mail().raw if chance.random() < 0.7 else hostile(number))
    for _ in range(chance.choice([1, 1, 2, 5, 20, 100])):
        at = chance.randrange(len(raw) + 1)
        length = chance.choice([0, 1, 2, 10, 100, 1000])
        other = raw[(start := chance.randrange(len(raw) + 1)) : start + chance.choice([10, 100, 1000])]
        new = chance.choice([chance.choice(WORDS), chance.randbytes(chance.choice([1, 4, 50])), bytes(other)])
        new *= chance.choice([1] * 60 + [2, 10, 100, 10_000])
        raw[at : at + length] = new[: max(0, LARGEST - len(raw))]
    return bytes(raw)


@dataclass
class Found:
    """What a run came to. slowest: seconds, and the number of that message. wrong: numbers and what was raised."""

    messages: int = 0
    size: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, 0)
    wrong: list[tuple[int, BaseException]] = field(default_factory=list)


class TooLong(BaseException):
    """A message takes more than its time."""


def try_one(number: int, found: Found) -> None:
    """Ask one message for everything, and note what came of it."""
    raw = made(number)
    seen = message(raw, limits=Limits() if number % 3 else TIGHT)
    started = time.process_time()
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        use(seen)
        _ = seen.attachments
    except MessageError as error:
        found.refused[error.word] += 1
    except (Exception, TooLong) as error:  # noqa: BLE001 -- which is what is looked for
        found.wrong.append((number, error))
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    found.messages += 1
    found.size += len(raw)
    found.slowest = max(found.slowest, (time.process_time() - started, number))


def run(seconds: float, first: int) -> Found:
    """Messages from the number `first` on, for so long."""

    def too_long(_number: int, _frame: object) -> None:
        raise TooLong

    kept = signal.signal(signal.SIGVTALRM, too_long)
    found, ends, number = Found(), time.monotonic() + seconds, first
    try:
        while time.monotonic() < ends:
            try_one(number, found)
            number += 1
    finally:
        signal.signal(signal.SIGVTALRM, kept)
    return found


def main() -> int:
    """Run, and print the figures."""
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz.message", description=__doc__)
    arguments.add_argument("--seconds", type=float, default=600)
    arguments.add_argument("--first", type=int, default=random.SystemRandom().randrange(10**9), help="a number")
    given = arguments.parse_args()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    found = run(given.seconds, given.first)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    refused = ", ".join(f"{word} {count:,}" for word, count in found.refused.most_common())
    lines = [
        f"{found.messages:,} messages from number {given.first} on, {found.size / 1e6:,.0f} MB",
        f"at most {found.slowest[0]:.2f} s (number {found.slowest[1]}), {memory:.0f} MB of memory",
        f"refused: {refused or 'none'}",
        f"anything else raised: {len(found.wrong)}",
    ]
    for number, error in found.wrong:
        kept = Path(tempfile.gettempdir()) / f"fuzz-{number}.eml"
        kept.write_bytes(made(number))
        lines.append(f"number {number}, kept as {kept}: {error!r}")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
