"""A command on a terminal of its own, and somebody who reads what it shows and types.

with OnTerminal(["nhsmail-worker", "init"], env=…, cwd=…) as terminal:
    terminal.answer("The mailbox's full address", "pathology.results@nhs.net")
    assert terminal.ended() == 0
"""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

WAIT = 60.0
SILENCE = 5.0
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


class OnTerminal:
    """Standard input, output and error are one terminal, which is the controlling one, so that keys send signals."""

    def __init__(self, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, columns: int = 200) -> None:
        self._here, there = pty.openpty()
        self._process = subprocess.Popen(
            list(map(str, command)),
            stdin=there,
            stdout=there,
            stderr=there,
            env={**env, "TERM": "dumb", "COLUMNS": str(columns)},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(there)
        self._raw = b""
        self._read_to = 0
        self._again: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._here)

    @property
    def shown(self) -> str:
        """All that it has shown, what was typed included, without colours."""
        return _ESCAPES.sub("", self._raw.decode(errors="replace"))

    def expect(self, text: str) -> None:
        """Wait until it shows this, after what was waited for before."""
        deadline = time.monotonic() + WAIT
        while (at := self.shown.find(text, self._read_to)) < 0:
            assert self._read(deadline), f"it ended, and never showed {text!r}:\n{self.shown}"
        self._read_to = at + len(text)

    def type(self, text: str) -> None:
        """Type keys."""
        os.write(self._here, text.encode())

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, and answer it."""
        self.expect(question)
        self.type(f"{text}\n")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._again = self.interrupt
        self.type("\x03")

    def end_input(self) -> None:
        """Press Ctrl-D."""
        self.type("\x04")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, as a service manager does, or a terminal that is closed."""
        self._again = lambda: self._process.send_signal(number)
        self._again()

    def ended(self) -> int:
        """Wait for its end. Returns its exit code.

        A signal is repeated where nothing follows it: Python doesn't hear one that comes between the question and the
        read, before the read is over.
        """
        deadline = time.monotonic() + WAIT
        more = True
        while more:
            if self._is_silent(SILENCE) and time.monotonic() < deadline:
                self._again()
            else:
                more = self._read(deadline)
        return self._process.wait(WAIT)

    def _is_silent(self, seconds: float) -> bool:
        return not select.select([self._here], [], [], seconds)[0]

    def _read(self, deadline: float) -> bool:
        """Take what it shows next. Returns whether there may be more."""
        ready, _, _ = select.select([self._here], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"nothing more came:\n{self.shown}"
        data = b""
        with contextlib.suppress(OSError):  # the end of a terminal is an error on Linux
            data = os.read(self._here, 65536)
        self._raw += data
        return bool(data)


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # below nohup it would be ignored
