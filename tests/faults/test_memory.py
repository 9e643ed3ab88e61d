"""Whatever lies in the mailbox, the worker's main process stays below the peak that the documentation states."""

import base64
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter
from tests.rig.worker import Worker
from tests.unit.message.mime import winmail

MakeWorker = Callable[..., Worker]
PEAK = 512_000_000
"""Bytes, as docs/containers.md states it."""
ROUTES = [
    {"name": "notices", "match": {"notice": "attachment-removed", "attachment": "*.never"}, "handlers": ["archive"]},
    {"name": "types", "match": {"attachment_type": "application/x-never", "mismatched": True}, "handlers": ["archive"]},
    {"name": "all", "handlers": ["archive", "database"]},
]
"""Between them they ask for all that a rule or a handler of ours can ask for."""
SETTINGS = {"poll": {"idle": False}, "log": {"level": "error"}}


@pytest.fixture
def worker(make_worker: MakeWorker, tmp_path: Path) -> Worker:
    database = {"use": "database", "url": f"sqlite:///{tmp_path / 'filed.sqlite'}"}
    return make_worker(routes=ROUTES, settings={**SETTINGS, "handler.database": database})


def weighed(worker: Worker, *arguments: str) -> tuple[int, int]:
    """The exit code of a command in a process of its own, and the most memory that the process held, in bytes."""
    file = worker.folder / "peak"
    file.unlink(missing_ok=True)
    process = worker.process(*arguments, program=(sys.executable, "-m", "tests.rig.weighed", str(file)))
    code = process.wait(600)
    assert file.exists(), (code, worker.process_log[-2000:])
    peak = int(file.read_text())
    print(f"{' '.join(arguments)}: {code}, {peak // 1_000_000} MB")  # noqa: T201 -- the figure
    return code, peak


def stays_small(worker: Worker, mails: int) -> None:
    """All is accounted for after a drain, and neither that nor any command that reads the mailbox took too much."""
    code, peak = weighed(worker, "once")
    assert code in (0, 1)
    assert peak < PEAK
    rows = worker.rows("SELECT key, state FROM message ORDER BY key")
    assert len(rows) == mails
    assert {state for _, state in rows} <= {"handled", "failed", "junk"}
    failed = [key for key, state in rows if state == "failed"]
    for command in (("reconcile",), ("failed", "list"), *(("failed", "show", key) for key in failed[:1])):
        code, peak = weighed(worker, *command)
        assert code == 0
        assert peak < PEAK


def heavy(number: int, line: bytes) -> bytes:
    """A letter with 990 kB of headers."""
    return letter(number, extra=line * (990_000 // len(line)))


def with_file(number: int, name: str, data: bytes) -> bytes:
    lines = base64.encodebytes(data).replace(b"\n", b"\r\n")
    return letter(
        number,
        extra=b'MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name="%s"\r\n' % name.encode()
        + b"Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment\r\n",
    ).partition(b"\r\n\r\n")[0] + (b"\r\n\r\n" + lines)


def with_text(number: int, kind: bytes, data: bytes) -> bytes:
    extra = b"MIME-Version: 1.0\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n" % kind
    return letter(number, extra=extra).partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + data


def nested(size: int, depth: int) -> bytes:
    data = b"%PDF-1.7" + bytes(size)
    for level in range(depth):
        data = winmail.winmail(winmail.file(f"inner{level}.dat", data))
    return data


def wide(number: int) -> bytes:
    """A letter of a thousand parts, with many headers in all."""
    part = b"--b\r\nContent-Type: text/plain\r\n" + b"a:b\r\n" * 7 + b"\r\n" + b"x y " * 8_000 + b"\r\n"
    extra = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    return letter(number, extra=extra).partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + part * 990 + b"--b--\r\n"


FLOODS = {
    "fields": b"a:b\r\n",
    "received": b"Received: by x\r\n",
    "long": b"X: " + b"\xe9" * 900 + b"\r\n",
    "addresses": b"To: " + b"a@b.c, " * 100 + b"d@e.f\r\n",
}
BOMBS: dict[str, Callable[[], Sequence[bytes]]] = {
    "35 MB": lambda: [with_file(n, "scan.bin", bytes(35_000_000)) for n in range(1, 5)],
    "8 MB": lambda: [with_file(n, "scan.bin", bytes(8_000_000)) for n in range(1, 13)],
    "winmail": lambda: [with_file(n, "winmail.dat", nested(34_000_000, 6)) for n in range(1, 4)],
    "winmails": lambda: [with_file(n, "winmail.dat", nested(5_000_000, 6)) for n in range(1, 13)],
    "rtf": lambda: [
        with_file(n, "winmail.dat", winmail.with_rtf(winmail.packed_rtf(b"r", 19_000_000))) for n in range(1, 21)
    ],
    "text": lambda: [with_text(n, b"plain", "\U0001f489 ab\r\n".encode() * 4_000_000) for n in range(1, 4)],
    "texts": lambda: [with_text(n, b"plain", "\U0001f489".encode() + b"ab cd\r\n" * 712_000) for n in range(1, 25)],
    "html": lambda: [
        with_text(n, b"html", "\U0001f489".encode() + b"<b>ab &amp; \r\n" * 356_000) for n in range(1, 25)
    ],
    "small html": lambda: [with_text(n, b"html", b"<b>a<i>b\r\n" * 49_000) for n in range(1, 41)],
    "parts": lambda: [wide(n) for n in range(1, 7)],
}


@pytest.mark.slow
def test_a_hundred_headers_of_a_megabyte_each_take_little_memory(dovecot: Mailbox, worker: Worker) -> None:
    dovecot.append_many("INBOX", [heavy(number, FLOODS["fields"]) for number in range(1, 101)])
    stays_small(worker, 100)


@pytest.mark.slow
def test_a_header_that_kills_is_a_dead_letter_after_so_many_restarts(dovecot: Mailbox, worker: Worker) -> None:
    """With the default of three deaths: one among others, three alone, and the fifth start goes on."""
    mails = [letter(number) for number in range(1, 8)]
    mails[3:3] = [letter(50, extra=b"X-Deadly: yes\r\n")]
    dovecot.append_many("INBOX", mails)
    program = (sys.executable, "-m", "tests.rig.weighed", str(worker.folder / "peak"))
    ends = [worker.process("once", program=program, RIG_DEADLY="X-Deadly").wait(100) for _ in range(6)]
    assert ends == [-signal.SIGKILL] * 4 + [1, 0]
    assert dict(worker.rows("SELECT state, count(*) FROM message GROUP BY state")) == {"handled": 7, "failed": 1}
    assert worker.rows("SELECT reason FROM message WHERE state = 'failed'") == [("header-poison",)]
    assert dovecot.stored("Failed") == mails[3:4]
    assert worker.reconcile()["unaccounted"] == 0
    ((key,),) = worker.rows("SELECT key FROM message WHERE state = 'failed'")
    refused = worker.command("failed", "retry", key)
    assert refused.code == 64
    assert "died each time it read the header" in refused.err
    assert worker.command("failed", "show", key).code == 0


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("folder", ["INBOX", JUNK])
@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_headers_takes_little_memory(dovecot: Mailbox, worker: Worker, flood: str, folder: str) -> None:
    count = 25 if flood == "addresses" else 250  # reading 140,000 addresses takes a second
    dovecot.append_many(folder, [heavy(number, FLOODS[flood]) for number in range(1, count + 1)])
    stays_small(worker, count)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("bomb", BOMBS)
def test_no_content_takes_more_memory_than_stated(dovecot: Mailbox, worker: Worker, bomb: str) -> None:
    count = dovecot.append_many("INBOX", BOMBS[bomb]())
    stays_small(worker, count)
