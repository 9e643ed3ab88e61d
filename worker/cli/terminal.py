"""The person at the terminal: what they are told, and what they are asked."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType

from worker.cli.wrapped import say


class Terminal:
    """Tells and asks on standard output and standard input."""

    def tell(self, text: str) -> None:
        say(text)

    def ask(self, prompt: str) -> str | None:
        """The answer, without its line break; None at the end of the input."""
        with suppress(ImportError):
            import_module("readline")  # without it a terminal cuts a line off after 4,096 characters
        try:
            return input(prompt)
        except EOFError:
            return None


def somebody_sits_there() -> bool:
    """Whether a person can be asked, and sees the question."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agreed(question: str) -> bool:
    """Ask on standard error until the answer is yes or no. Neither the end of the input nor Enter alone is a yes."""
    while True:
        say(f"{question} [y/N] ", nl=False, err=True)
        answer = _line().strip().lower()
        if answer in ("y", "yes"):
            return True
        if answer in ("", "n", "no"):
            return False
        say("Please answer yes or no.", err=True)


def _line() -> str:
    """What was typed. After Ctrl-C and Ctrl-D the cursor is still on the line of the question: that line is ended."""
    try:
        line = sys.stdin.readline()
    except KeyboardInterrupt:
        say("", err=True)
        raise
    if not line:
        say("", err=True)
    return line


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, so that they break a question off."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
