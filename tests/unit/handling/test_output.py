"""What handlers print is counted and dropped, and the threads that they leave are attributed to them."""

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from worker.handling.output import THREADS_TO_LOG, OutputCapture
from worker.logs.log import configure as configure_logging
from worker.logs.log import get_logger


def test_what_a_handler_prints_is_counted_and_dropped(
    output: OutputCapture, logged: Callable[[], list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    output.install()
    with output.running("mine"):
        sys.stdout.write("secret words\n")
        sys.stderr.write("secret words\n")
        sys.stdout.buffer.write(b"secret words")
    sys.stdout.write("ours\n")
    shown = capsys.readouterr()
    assert shown.err + shown.out == "ours\n"
    assert [(line["event"], line["handler"], line["bytes"]) for line in logged()] == [("handler.printed", "mine", 38)]


def test_printing_is_told_again_only_when_it_has_doubled(
    output: OutputCapture, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    output.install()
    for _ in range(100):
        with output.running("mine"):
            sys.stdout.write("secret\n")
    assert [line["bytes"] for line in logged()] == [7, 14, 28, 56, 112, 224, 448]


class Told(OutputCapture):
    """Tells when something was printed."""

    def __init__(self) -> None:
        super().__init__()
        self.printed = threading.Event()

    def print(self, name: str, size: int) -> None:
        super().print(name, size)
        self.printed.set()


def test_threads_that_a_handler_began_are_its_own_however_far_down(
    logged: Callable[[], list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    output = Told()
    output.install()
    go = threading.Event()

    def nested() -> None:
        sys.stdout.write("secret words\n")
        go.wait(10)

    def between() -> None:
        inner = threading.Thread(target=nested)
        inner.start()
        inner.join()

    with output.running("mine"):
        outer = threading.Thread(target=between)
        outer.start()
        assert output.printed.wait(10)
    output.remove()
    go.set()
    outer.join()
    assert capsys.readouterr().out == ""
    assert ("handler.threads_left", "mine", 2) in [
        (line["event"], line["handler"], line.get("count")) for line in logged()
    ]


def test_threads_that_grow_in_number_are_told_by_name(
    output: OutputCapture, logged: Callable[[], list[dict[str, Any]]]
) -> None:
    output.install()
    go = threading.Event()
    begun: list[threading.Thread] = []
    for _ in range(2 * THREADS_TO_LOG):
        with output.running("leaky"):
            begun.append(threading.Thread(target=go.wait, args=(10,)))
            begun[-1].start()
        with output.running("tidy"):
            threading.Thread(target=lambda: None).start()
    go.set()
    for thread in begun:
        thread.join()
    assert [(line["event"], line["handler"], line["count"]) for line in logged()] == [
        ("handler.threads", "leaky", THREADS_TO_LOG),
        ("handler.threads", "leaky", 2 * THREADS_TO_LOG),
    ]


def test_the_log_is_written_from_a_handlers_thread_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(level="info", format="json", hooks=False)
    output = OutputCapture()
    output.install()
    with output.running("mine"):
        get_logger().info("worker.stopped")
    output.remove()
    assert json.loads(capsys.readouterr().err)["event"] == "worker.stopped"


def test_afterwards_all_is_as_it_was() -> None:
    before = sys.stdout, sys.stderr, threading.Thread.start
    output = OutputCapture()
    output.install()
    output.remove()
    assert (sys.stdout, sys.stderr, threading.Thread.start) == before
