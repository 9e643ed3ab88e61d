"""All handlers are flushed together, and all are closed whatever one of them does."""

import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from worker.handling.handler import Handler
from worker.handling.handler_set import Handlers
from worker.handling.output import OutputCapture


def handlers(output: OutputCapture, *given: Handler, closing: float = 10.0) -> Handlers:
    return Handlers({handler.name: handler for handler in given}, output, timedelta(seconds=closing))


def handler(name: str, **does: Any) -> Handler:
    return Handler(name, lambda _message: None, **does)


def fail() -> None:
    raise ConnectionError("secret words")


def test_they_are_found_by_name(output: OutputCapture) -> None:
    one, other = handler("one"), handler("other")
    found = handlers(output, one, other)
    assert (list(found), len(found), found["other"], found.get("none")) == (["one", "other"], 2, other, None)


def test_all_are_flushed(output: OutputCapture) -> None:
    flushed: list[str] = []
    handlers(output, *(handler(name, flush=lambda name=name: flushed.append(name)) for name in ("a", "b"))).flush()
    assert flushed == ["a", "b"]


def test_a_flush_that_fails_is_no_flush(output: OutputCapture) -> None:
    with pytest.raises(ConnectionError):
        handlers(output, handler("a", flush=fail), handler("b")).flush()


def test_all_are_closed_whatever_one_does(output: OutputCapture, logged: Callable[[], list[dict[str, Any]]]) -> None:
    go, closed = threading.Event(), threading.Event()
    try:
        handlers(
            output,
            handler("fails", close=fail),
            handler("leaves", close=sys.exit),
            handler("hangs", close=lambda: go.wait(10)),
            handler("well", close=closed.set),
            closing=0.2,
        ).close()
    finally:
        go.set()
    assert closed.is_set()
    assert [(line["event"], line["handler"]) for line in logged()] == [
        ("handler.failed", "fails"),
        ("handler.failed", "leaves"),
        ("handler.failed", "hangs"),
    ]
    assert "secret" not in str(logged())


def test_what_is_printed_while_closing_is_counted_and_dropped(
    output: OutputCapture, logged: Callable[[], list[dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    output.install()
    handlers(output, handler("mine", close=lambda: sys.stdout.write("secret words"))).close()
    output.remove()
    assert capsys.readouterr().out == ""
    assert [(line["event"], line["bytes"]) for line in logged()] == [("handler.printed", 12)]
