"""`command` with real programs."""

import json
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from handlers.command import Command, CommandFailed
from tests.rig.messages import UNPARSABLE, eml, message_of, report
from worker import Message, Reject, Retry
from worker.message.mime.limits import MessageError


def shell(script: str, *words: str, **settings: Any) -> Command:
    return Command(Command.Settings(command=("/bin/sh", "-c", script, "sh", *words), **settings))


def python(script: str, *words: str, **settings: Any) -> Command:
    return Command(Command.Settings(command=(sys.executable, "-c", script, *words), **settings))


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def eventually(happened: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.01)
    return happened()


def test_the_program_gets_the_mail_byte_for_byte(tmp_path: Path) -> None:
    message = report()
    shell('cat > "$1"', str(tmp_path / "got"))(message)
    assert (tmp_path / "got").read_bytes() == message.raw


@pytest.mark.slow
def test_a_large_mail_needs_nobody_to_write_it(tmp_path: Path) -> None:
    message = message_of(eml(text="a line\n" * 3_000_000))
    shell("exit 0")(message)  # it doesn't even read
    shell('sleep 0.2; tail -c 1000 > "$1"', str(tmp_path / "end"))(message)
    assert (tmp_path / "end").read_bytes() == message.raw[-1000:]


def test_the_json_is_in_a_file(tmp_path: Path) -> None:
    message = report(7)
    shell('cat "$MESSAGE_JSON_FILE" > "$1"; echo "$MESSAGE_KEY" > "$2"', str(tmp_path / "j"), str(tmp_path / "k"))(
        message
    )
    told = json.loads((tmp_path / "j").read_bytes())
    assert told["key"] == message.key == (tmp_path / "k").read_text().strip()
    assert told["subject"] == "Report 7 für Zoë"
    assert [file["filename"] for file in told["attachments"]] == ["report.pdf"]


def test_the_json_is_in_the_environment(tmp_path: Path) -> None:
    shell('printf %s "$MESSAGE_JSON" > "$1"', str(tmp_path / "j"), metadata="environment")(report(7))
    assert json.loads((tmp_path / "j").read_bytes())["from"] == "results@lab.example.org"


def test_what_does_not_fit_the_environment_is_rejected_and_fits_a_file() -> None:
    raw = eml().replace(b"To: ", b"To: " + b"".join(b"somebody%d@nhs.net,\r\n " % n for n in range(9_000)))
    with pytest.raises(Reject):
        shell("exit 0", metadata="environment")(message_of(raw))
    shell("exit 0")(message_of(raw))


def test_the_environment_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", "Bright-Harbour-92")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    python(
        "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))",
        str(tmp_path / "env"),
        environment={"LAB": "7"},
    )(report())
    seen = json.loads((tmp_path / "env").read_text())
    known = {"PATH", "LANG", "HOME", "TMPDIR", "LAB", "MESSAGE_KEY", "MESSAGE_REDELIVERY", "MESSAGE_JSON_FILE"}
    assert seen.keys() - known <= {"LC_CTYPE"}  # which Python sets itself
    assert seen["LAB"] == "7"


def test_nothing_of_the_worker_is_open_in_the_program(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as open_file:
        os.set_inheritable(open_file.fileno(), True)
        shell('ls /proc/self/fd | wc -l > "$1"', str(tmp_path / "n"))(report())
    assert int((tmp_path / "n").read_text()) <= 4  # three, and the folder that ls reads


def test_its_folder_is_its_own_and_empty_and_goes_with_it(tmp_path: Path) -> None:
    shell('pwd > "$1"; ls -A | wc -l >> "$1"; touch left-behind', str(tmp_path / "where"))(report())
    where, files = (tmp_path / "where").read_text().split()
    assert files == "0"
    assert not Path(where).parent.exists()


def test_no_shell_reads_the_words(tmp_path: Path) -> None:
    word = f"$(touch {tmp_path}/hacked); `id` * \"'"
    python("import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])", str(tmp_path / "w"), word)(
        report()
    )
    assert (tmp_path / "w").read_text() == word
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("code", "error"),
    [(75, Retry), (65, Reject), (1, CommandFailed), (64, CommandFailed), (126, CommandFailed), (255, CommandFailed)],
)
def test_the_exit_code_decides(code: int, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        shell(f"echo Zoë; echo Zoë >&2; exit {code}")(report())
    assert "Zo" not in str(caught.value)


def test_a_signal_is_an_error() -> None:
    with pytest.raises(CommandFailed, match="signal 9"):
        shell("kill -9 $$")(report())


def test_a_program_that_went_away_is_an_error(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    handler = Command(Command.Settings(command=(str(program),)))
    handler(report())
    program.unlink()
    with pytest.raises(OSError, match="No such file"):
        handler(report())


@pytest.mark.parametrize("stubborn", [False, True])
def test_the_time_limit_kills_the_whole_group(tmp_path: Path, stubborn: bool) -> None:
    trap = "trap '' TERM; " if stubborn else ""
    script = f'{trap}(sleep 60 & echo $! > "$1"; wait) & echo $$ > "$2"; wait; sleep 60'
    handler = shell(
        script,
        str(tmp_path / "child"),
        str(tmp_path / "parent"),
        timeout=timedelta(seconds=2),
        grace=timedelta(seconds=0.3),
    )
    started = time.monotonic()
    with pytest.raises(Retry):
        handler(report())
    assert time.monotonic() - started < 30  # half of what it would take
    for name in ("child", "parent"):
        pid = int((tmp_path / name).read_text())
        assert eventually(lambda pid=pid: gone(pid))  # type: ignore[misc]  # the loop's own value


def test_a_program_may_end_in_order_when_told_to(tmp_path: Path) -> None:
    script = "trap 'echo in order > \"$1\"; exit 0' TERM; while :; do sleep 0.02; done"
    with pytest.raises(Retry):
        shell(script, str(tmp_path / "end"), timeout=timedelta(seconds=2))(report())
    assert (tmp_path / "end").read_text() == "in order\n"


def test_what_it_leaves_running_is_killed(tmp_path: Path) -> None:
    shell('sleep 60 & echo $! > "$1"', str(tmp_path / "pid"))(report())
    assert eventually(lambda: gone(int((tmp_path / "pid").read_text())))


def test_close_ends_what_runs(tmp_path: Path) -> None:
    handler = shell('echo $$ > "$1"; exec sleep 60', str(tmp_path / "pid"))
    errors: list[BaseException] = []

    def call() -> None:
        try:
            handler(report())
        except CommandFailed as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text() != "")
    handler.close()
    thread.join(30)
    assert errors


def test_what_begins_after_the_close_is_ended(tmp_path: Path) -> None:
    handler = shell("exec sleep 60")
    handler.close()
    with pytest.raises(CommandFailed):
        handler(report())


def test_output_goes_to_its_file_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    handler = shell("echo out; echo err >&2", output=tmp_path / "log")
    handler(report(1))
    handler(report(2))
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "err", "out", "out"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    shell("echo out; echo err >&2")(report())
    assert capfd.readouterr() == ("", "")


def test_many_threads_at_once(tmp_path: Path) -> None:
    handler = shell(f'cat > {shlex.quote(str(tmp_path))}/"$MESSAGE_KEY"')
    messages = [report(number) for number in range(24)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(handler, messages))
    for message in messages:
        assert (tmp_path / message.key).read_bytes() == message.raw


def test_what_can_not_be_taken_apart_is_for_those_who_need_no_list() -> None:
    broken: Message = message_of(UNPARSABLE)
    with pytest.raises(MessageError):
        shell("exit 0")(broken)
    shell("exit 0", attachments=False)(broken)


@pytest.mark.parametrize(
    "options",
    [
        {"command": ()},
        {"command": ("/does/not/exist",)},
        {"command": ("bin/sh",)},
        {"command": ("/etc/passwd",)},
        {"command": ("/bin/sh", "a\0b")},
        {"command": ("sh",), "environment": {"NHSMAIL_ACCOUNT__PASSWORD": "x"}},
        {"command": ("sh",), "environment": {"A": "\0"}},
        {"command": ("sh",), "timeout": timedelta(0)},
        {"command": ("sh",), "shell": True},
    ],
)
def test_settings_that_can_not_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Command.Settings(**options)


def test_a_program_may_be_a_bare_name() -> None:
    Command(Command.Settings(command=("true",)))(report())
