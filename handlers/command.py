"""`command`: runs a program for each message, with the mail on its standard input and the metadata in JSON.

No shell is involved. The program starts in an empty folder of its own, which is removed afterwards, and with a clean
environment that has nothing of the worker's, so none of its secrets. The exit codes are those of sysexits.h, as for any
mail delivery agent: 0 done, 75 (EX_TEMPFAIL) try again later, 65 (EX_DATAERR) never. Any other is an error.
"""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from worker import Message, Reject, Retry, as_json, describe

DONE, NEVER, LATER = os.EX_OK, os.EX_DATAERR, os.EX_TEMPFAIL
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENDING = 2.0
"""Seconds to wait until a program that was killed is gone."""
MOST_LEFT = 4
"""So many programs that can't be ended: no more are started."""
_LONGEST = 100_000  # bytes; Linux limits a variable to 128 KiB
_OURS = ("NHSMAIL_", "MESSAGE_")


class CommandFailed(Exception):
    """The program ended with another exit code than those for done, later and never, or by a signal."""


class Command:
    """Runs a program once for each message.

    Thread-safe.
    """

    starts_programs = True
    real_effect = "gives the message to its program, which may do anything with it"

    class Settings(BaseModel):
        """The table `[handler.command]`."""

        model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

        command: tuple[str, ...] = Field(
            min_length=1,
            description="The program and its arguments, one text each. No shell reads them.",
            examples=[["/usr/local/bin/file-result", "--quiet"]],
        )
        metadata: Literal["file", "environment"] = Field(
            default="file",
            description="Where the JSON is: in the file that `MESSAGE_JSON_FILE` names, or in `MESSAGE_JSON` itself "
            "(at most 100 kB: a message with more is rejected). `MESSAGE_KEY` and `MESSAGE_REDELIVERY` are always "
            "there.",
        )
        attachments: bool = Field(
            default=True, description="List the attachments in the JSON. Without them no message needs to be parsed."
        )
        environment: dict[str, str] = Field(
            default_factory=dict, description="More variables for the program. No secrets: name a file that holds them."
        )
        timeout: timedelta = Field(
            default=timedelta(minutes=1),
            gt=timedelta(0),
            description="The program and all that it started are killed after this time; the message is tried again.",
        )
        grace: timedelta = Field(
            default=timedelta(seconds=2),
            ge=timedelta(0),
            description="How long the program has to end after SIGTERM. Then SIGKILL follows.",
        )
        output: Path | None = Field(
            default=None,
            description="A file that the program's output and errors are appended to. Without it they are thrown away: "
            "they may hold content of mail, which doesn't belong in the worker's log.",
        )

        @field_validator("command")
        @classmethod
        def _is_there(cls, command: tuple[str, ...]) -> tuple[str, ...]:
            if any("\0" in word for word in command):
                raise ValueError("can't hold NUL characters")
            if shutil.which(command[0], path=_PATH) is None or not (
                command[0].startswith("/") or "/" not in command[0]
            ):
                raise ValueError("must begin with a program: the absolute path of one that may be executed, or a name")
            return command

        @field_validator("environment")
        @classmethod
        def _leaves_ours(cls, environment: dict[str, str]) -> dict[str, str]:
            if any(name.startswith(_OURS) or not name or "=" in name for name in environment):
                raise ValueError("can't set MESSAGE_* (they are the message's) or NHSMAIL_* (they are the worker's)")
            if any("\0" in text for pair in environment.items() for text in pair):
                raise ValueError("can't hold NUL characters")
            return environment

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._command = (shutil.which(settings.command[0], path=_PATH) or settings.command[0], *settings.command[1:])
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._left: list[subprocess.Popen[bytes]] = []
        self._closed = False

    def __call__(self, message: Message) -> None:
        """Run the program and act on its exit code.

        Raises:
            Retry: the code is 75, or the time is up, or earlier programs can't be ended. Reject: the code is 65, or the
                JSON is too long for a variable.
            CommandFailed: any other code, or a signal. OSError: the program can't be started.
            MessageError: the attachments can't be listed (only with `attachments`).
        """
        description = as_json(describe(message, attachments=self._settings.attachments))
        with tempfile.TemporaryDirectory(prefix="nhsmail-command-", ignore_cleanup_errors=True) as folder:
            environment = self._environment(message, description, Path(folder))
            with _file_of(message.raw) as mail, self._output() as output:
                code = self._run(mail, output, environment, folder)
        _judge(code)

    def close(self) -> None:
        """Kill the programs that still run, and any that starts from now on."""
        with self._lock:
            self._closed = True
            running = tuple(self._running)
        for process in running:
            _kill_group(process, signal.SIGKILL)

    def _environment(self, message: Message, description: bytes, folder: Path) -> dict[str, str]:
        work = folder / "work"
        work.mkdir(mode=0o700)
        given = {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": str(work), "TMPDIR": str(work)}
        given |= self._settings.environment | {
            "MESSAGE_KEY": str(message.key),
            "MESSAGE_REDELIVERY": str(message.redelivery),
        }
        if self._settings.metadata == "file":
            file = folder / "message.json"
            file.write_bytes(description)
            return given | {"MESSAGE_JSON_FILE": str(file)}
        if len(description) > _LONGEST:
            raise Reject('what is known of the message is too long for the environment: set metadata = "file"')
        return given | {"MESSAGE_JSON": description.decode()}

    @contextlib.contextmanager
    def _output(self) -> Iterator[int]:
        if self._settings.output is None:
            yield subprocess.DEVNULL
            return
        file = os.open(self._settings.output, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            yield file
        finally:
            os.close(file)

    def _run(self, mail: IO[bytes], output: int, environment: dict[str, str], folder: str) -> int | None:
        """Run the program; returns the exit code, or minus the signal that ended it. None: it took too long."""
        self._see_to_those_left()
        process = subprocess.Popen(  # noqa: S603 -- the program in the configuration, without a shell
            self._command,
            stdin=mail,
            stdout=output,
            stderr=output,
            env=environment,
            cwd=Path(folder) / "work",
            start_new_session=True,
        )
        with self._lock:
            self._running.add(process)
            closed = self._closed
        if closed:  # while the program was being started
            _kill_group(process, signal.SIGKILL)
        try:
            with _watch(process) as ended:
                if ended(self._settings.timeout):
                    in_time = True
                else:
                    in_time = False
                    _kill_group(process, signal.SIGTERM)
                    ended(self._settings.grace)
        finally:
            # This also kills what the program left running in the background. Kill before `wait`: once the program has
            # been reaped, its process id may belong to another one.
            _kill_group(process, signal.SIGKILL)
            with self._lock:
                self._running.discard(process)
            code = self._waited_for(process)
        return code if in_time else None

    def _waited_for(self, process: subprocess.Popen[bytes]) -> int | None:
        """The exit code of what was killed; None if it isn't gone: it changed its user, so we may not signal it."""
        try:
            return process.wait(ENDING)
        except subprocess.TimeoutExpired:
            with self._lock:
                self._left.append(process)
            return None

    def _see_to_those_left(self) -> None:
        with self._lock:
            self._left = [process for process in self._left if process.poll() is None]
            count = len(self._left)
        if count >= MOST_LEFT:
            raise Retry(f"{count} programs are still running long after their time, and can't be ended")


@contextlib.contextmanager
def _watch(process: subprocess.Popen[bytes]) -> Iterator[Callable[[timedelta], bool]]:
    """A function that waits at most this long until the process ends, and says whether it did. Doesn't reap it."""
    handle = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        yield lambda limit: bool(poll.poll(limit.total_seconds() * 1000))
    finally:
        os.close(handle)


def _judge(code: int | None) -> None:
    if code == DONE:
        return
    if code is None:
        raise Retry("the program took too long and was killed", this_message=True)
    if code == LATER:
        raise Retry("the program said: later (75)")
    if code == NEVER:
        raise Reject("the program said: never (65)")
    raise CommandFailed(f"the program ended with {code}" if code > 0 else f"signal {-code} ended the program")


def _file_of(raw: bytes) -> IO[bytes]:
    """The mail as an anonymous file. Unlike a pipe, it needs no thread that writes while the program reads."""
    file = os.fdopen(os.memfd_create("message.eml"), "w+b")
    file.write(raw)
    file.seek(0)
    return file


def _kill_group(process: subprocess.Popen[bytes], with_signal: signal.Signals) -> None:
    """Send a signal to the program and everything it started, except what moved to a session of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, with_signal)
