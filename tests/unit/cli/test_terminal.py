"""What a person on a terminal answers."""

import io
import os
import signal
import subprocess
import sys

import pytest

from worker.cli.terminal import agreed, interruptible
from worker.commands.exits import ExitCode


@pytest.mark.parametrize(
    ("typed", "is_yes", "times"),
    [("y\n", True, 1), ("YES\n", True, 1), ("n\n", False, 1), ("\n", False, 1), ("", False, 1), ("ja\nyes\n", True, 2)],
)
def test_only_a_yes_is_a_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, is_yes: bool, times: int
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    assert agreed("Go on?") is is_yes
    assert capsys.readouterr().err.count("Go on? [y/N] ") == times


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_question_can_be_broken_off_and_the_handlers_come_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_what_is_typed_in_another_encoding_is_an_answer_that_is_refused() -> None:
    """As by a terminal that is set to ISO 8859-1, on a machine whose locale is en_GB.UTF-8."""
    ask = "import sys; from worker.cli import main, terminal; main.run = lambda _words: terminal.agreed('Go on?'); "
    ended = subprocess.run(
        [sys.executable, "-c", f"{ask}main.main([])"],
        input=b"\xa3\nno\n",
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        timeout=60,
        check=False,
    )
    assert ended.stderr == b"Go on? [y/N] Please answer yes or no.\nGo on? [y/N] "
    assert ended.returncode == ExitCode.DONE
