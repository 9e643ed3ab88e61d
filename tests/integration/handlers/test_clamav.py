"""`clamav` against a real clamd with a signature of our own."""

import io
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.clamav import ClamAV, Infected, Unscannable
from tests.rig.clamd import WORD, Clamd
from tests.rig.messages import message_of, report
from worker import Message, Retry

INFECTED = {"report.pdf": b"x" * 100 + WORD + b"y" * 100}


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    with Clamd() as server:
        yield server


def handler(url: str, **options: Any) -> ClamAV:
    return ClamAV(ClamAV.Settings(url=url, **options))


def answering(*answers: bytes, after: threading.Event | None = None) -> tuple[str, threading.Thread]:
    """Something that answers as it was told to, once for each, after it has read all that was sent, and the event."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server:
            for answer in answers:
                connection, _ = server.accept()
                with connection:
                    sent = b""
                    while not sent.endswith(b"\0\0\0\0") and not sent.endswith(b"zPING\0"):
                        sent += connection.recv(65_536)
                    assert after is None or after.wait(60)
                    with suppress(OSError):
                        connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return f"tcp://127.0.0.1:{server.getsockname()[1]}", thread


@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_clean_and_infected(clamd: Clamd, way: str) -> None:
    scan = handler(clamd.unix_url if way == "unix" else clamd.tcp_url)
    scan(report())
    with pytest.raises(Infected) as caught:
        scan(report(attachments=INFECTED))
    assert "report.pdf" not in str(caught.value)
    scan(report())


def test_an_infection_inside_a_zip_inside_a_mail(clamd: Clamd) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", INFECTED["report.pdf"])
    with pytest.raises(Infected):
        handler(clamd.unix_url)(report(attachments={"a.zip": packed.getvalue()}))


def encrypted() -> Message:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("inner.txt", b"secret" * 100)
    data = bytearray(packed.getvalue())
    data[6] |= 1  # the flag in the local header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    return report(attachments={"a.zip": bytes(data)})


def too_large() -> Message:
    return message_of(report(text="a long line of text\n" * 200_000).raw)


@pytest.mark.parametrize("make", [encrypted, too_large])
def test_what_clamd_can_not_look_at_is_neither_clean_nor_infected(clamd: Clamd, make: Any) -> None:
    message = make()
    with pytest.raises(Unscannable):
        handler(clamd.unix_url)(message)
    with pytest.raises(Retry):
        handler(clamd.unix_url, unknown="retry")(message)
    handler(clamd.unix_url, unknown="pass")(message)


def test_an_infected_message_never_passes(clamd: Clamd) -> None:
    for unknown in ("reject", "retry", "pass"):
        with pytest.raises(Infected):
            handler(clamd.unix_url, unknown=unknown)(report(attachments=INFECTED))


def test_what_is_over_the_limit_for_files_is_unknown() -> None:
    with Clamd(stream="50M", file="100K") as small, pytest.raises(Unscannable):
        handler(small.unix_url)(too_large())


def test_nobody_there() -> None:
    with pytest.raises(Retry):
        handler("unix:///does/not/exist")(report())
    with closing(socket.socket()) as reserved:
        reserved.bind(("127.0.0.1", 0))
        with pytest.raises(Retry):
            handler(f"tcp://127.0.0.1:{reserved.getsockname()[1]}")(report())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"stream: OK but not quite\0",
        b"OK\0",
        b"UNKNOWN COMMAND\0",
        b"COMMAND READ TIMED OUT\0",
        b"stream: Can't allocate memory ERROR\0",
        b"x" * 10_000,
    ],
)
def test_only_the_words_for_clean_are_clean(answer: bytes) -> None:
    url, thread = answering(answer)
    with pytest.raises(Retry):
        handler(url)(report())
    thread.join()


@pytest.mark.parametrize(
    ("answer", "is_there", "error"),
    [
        (b"stream: OK\0", True, Unscannable),
        (b"stream: OK\0", False, Retry),
        (b"INSTREAM size limit exceeded. ERROR\0", True, Unscannable),
        (b"stream: Word FOUND\0", True, Infected),
        (b"COMMAND READ TIMED OUT\0", True, Retry),
    ],
)
def test_what_was_not_sent_to_its_end_is_not_clean(
    tmp_path: Path, answer: bytes, is_there: bool, error: type[Exception]
) -> None:
    """clamd takes a part of the message, answers, and reads no further."""
    place = tmp_path / "clamd"

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_RD)
            while connection.recv(100_000):
                pass  # what had come: a sender that waits for room isn't woken otherwise
            with suppress(OSError):
                asked, _ = server.accept()
                with asked:
                    asked.recv(1000)
                    asked.sendall(b"PONG\0" if is_there else b"")

    server = socket.socket(socket.AF_UNIX)
    server.bind(str(place))
    server.listen()
    thread = threading.Thread(target=serve)
    thread.start()
    with closing(server):
        with pytest.raises(error):
            handler(f"unix://{place}")(too_large())
        server.shutdown(socket.SHUT_RDWR)  # nobody asks any more
        thread.join()


def test_an_answer_in_pieces_is_an_answer() -> None:
    url, thread = answering(b"stream: OK")  # without its end: the connection's end is one
    handler(url)(report())
    thread.join()


def test_a_scan_has_a_time_limit() -> None:
    given_up = threading.Event()
    url, thread = answering(b"stream: OK\0", after=given_up)
    with pytest.raises(Retry):
        handler(url, timeout=timedelta(seconds=0.3))(report())
    given_up.set()
    thread.join()


def test_clamd_killed_in_the_middle_lets_nothing_through() -> None:
    """While clamd dies and comes back, every message gets its own verdict in the end, and none a wrong one."""
    verdicts: dict[int, str] = {}

    with Clamd() as server:
        scan = handler(server.unix_url)

        def judge(number: int) -> None:
            message = report(number, attachments=INFECTED if number % 3 == 0 else None)
            for tries in range(2_000):
                if number in (40, 80) and tries == 0:
                    server.stop(abruptly=True)
                    time.sleep(0.1)
                    server.start()
                try:
                    scan(message)
                except Retry:
                    time.sleep(0.01)
                except Infected:
                    verdicts[number] = "infected"
                    return
                else:
                    verdicts[number] = "clean"
                    return

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(judge, range(120)))
    assert verdicts == {number: "infected" if number % 3 == 0 else "clean" for number in range(120)}


@pytest.mark.parametrize(
    "url",
    [
        "unix://host/a",
        "unix://",
        "unix:relative",
        "tcp://",
        "tcp://h:99999999",
        "tcp://h/a",
        "http://h",
        f"unix:///{'a' * 120}",
    ],
)
def test_addresses_that_can_not_work_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        ClamAV.Settings(url=url)
