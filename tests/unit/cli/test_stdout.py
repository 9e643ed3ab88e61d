"""A standard output that can't be written, and a person who stops a command."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from worker.cli import main as cli
from worker.cli.stdout import StandardOutput, code_without_output
from worker.commands.exits import ExitCode


def ended(script: str, stdout: int, **environ: str) -> "subprocess.CompletedProcess[str]":
    """What became of a program whose standard output is this one."""
    return subprocess.run(
        [sys.executable, "-c", script],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **environ},
        text=True,
        timeout=60,
        check=False,
    )


def command(*arguments: str) -> str:
    return f"from worker.cli.main import main; main({list(arguments)})"


UNFLUSHED = "from worker.cli import main; main.commands.main = lambda **_: print('x', end='') or 1; main.main(['x'])"
BUG = """
from worker.cli import main
def bug(**_):
    try: main.sys.stdout.buffer.raw.write(b"x")
    except OSError: pass
    open("/dev/full", "wb", 0).write(b"x")
main.commands.main = bug
main.main(["x"])
"""


@pytest.mark.parametrize("environ", [{}, {"PYTHONUNBUFFERED": "1"}])
@pytest.mark.parametrize("script", [command("config", "example"), command("--help"), UNFLUSHED])
def test_a_reader_that_has_gone_got_what_it_wanted(script: str, environ: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        closed = ended(script, writing, **environ)
    finally:
        os.close(writing)
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.parametrize("script", [command("config", "example"), command("--version"), UNFLUSHED])
def test_a_full_disk_is_told_in_a_sentence(script: str) -> None:
    with Path("/dev/full").open("wb") as full:
        failed = ended(script, full.fileno())
    assert failed.stderr == "The output can't be written: no space left on device. No mail is lost.\n"
    assert failed.returncode == ExitCode.FAULT


def test_another_file_that_can_t_be_written_is_a_bug_still() -> None:
    with Path("/dev/full").open("wb") as full:
        failed = ended(BUG, full.fileno())
    assert failed.returncode == ExitCode.FAULT
    assert "Traceback" in failed.stderr
    assert "The output" not in failed.stderr


def test_the_failure_of_another_connection_is_not_that_of_the_output(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        output = StandardOutput(file.fileno(), "w", closefd=False)
        assert output.write(b"x") == 1
        assert code_without_output(BrokenPipeError(), output) is None


def interrupted(**_: object) -> int:
    raise KeyboardInterrupt


def broken_off(**_: object) -> int:
    raise click.exceptions.Abort


@pytest.mark.parametrize("end", [interrupted, broken_off])
def test_ctrl_c_ends_a_command_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], end: Callable[..., int]
) -> None:
    monkeypatch.setattr(cli.commands, "main", end)
    assert cli.run(["status"]) == ExitCode.NOT_NOW
    assert capsys.readouterr().err == "Stopped before the end. No mail is lost. To finish, type the command again.\n"


AT_A_TERMINAL = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""Where tests run in the background, SIGINT is ignored."""
IMPORTING = """
import signal, sys
import nhsmail_worker

class Finder:
    def find_spec(self, name, *_):
        if name == "worker.cli.main":
            signal.raise_signal(signal.SIGINT)

sys.argv = ["nhsmail-worker", "--version"]
sys.meta_path.insert(0, Finder())
nhsmail_worker.main()
"""


def test_ctrl_c_while_the_worker_is_imported_shows_no_stack() -> None:
    stopped = ended(AT_A_TERMINAL + IMPORTING, subprocess.DEVNULL)
    assert (stopped.returncode, stopped.stderr) == (ExitCode.NOT_NOW, "\nStopped before anything was done.\n")


def test_who_ignores_ctrl_c_goes_on_and_who_does_not_has_it_back() -> None:
    ignoring = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n{IMPORTING}"
    assert ended(ignoring, subprocess.DEVNULL).returncode == ExitCode.DONE
    later = IMPORTING.replace("worker.cli.main", "worker.none").replace(
        "nhsmail_worker.main()",
        "from worker.cli import main; main.main = lambda: print(signal.getsignal(signal.SIGINT), file=sys.stderr)\n"
        "nhsmail_worker.main()",
    )
    assert ended(AT_A_TERMINAL + later, subprocess.DEVNULL).stderr == f"{signal.default_int_handler}\n"
