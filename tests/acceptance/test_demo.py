"""The demo as a person meets it: one command, a table that adds up, and next commands that work as printed."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from scripts.pictures import COLUMNS, as_in_readme, in_readme
from worker.demo.samples import all_samples

SAMPLES = all_samples()
EXPECTED = Counter(sample.expect for sample in SAMPLES)
COMMAND = [sys.executable, "-m", "worker", "demo"]


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": str(COLUMNS)}
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=100
    )


def answered(*arguments: str) -> Any:
    answer = run(*arguments)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str], float]:
    """A demo that has ended, what it said, and the seconds that it took."""
    directory = tmp_path_factory.mktemp("demo") / "state"
    started = time.monotonic()
    answer = run("--dir", str(directory))
    return directory, answer, time.monotonic() - started


Played = tuple[Path, subprocess.CompletedProcess[str], float]


def test_it_ends_well_within_a_minute_and_adds_up(played: Played) -> None:
    _, answer, seconds = played

    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert seconds < 60
    total = next(line for line in answer.stdout.splitlines() if re.match(r"│ all\b", line))
    assert [int(number) for number in re.findall(r"\d+", total)] == [
        EXPECTED["handled"],
        EXPECTED["junk"],
        EXPECTED["failed"],
        0,
        len(SAMPLES),
    ]


def test_the_readme_shows_what_it_prints(played: Played) -> None:
    """`make pictures` writes the README's copy."""
    _, answer, _ = played
    assert as_in_readme(answer.stdout) == in_readme()


def test_the_archive_holds_what_was_handled(played: Played) -> None:
    directory, answer, _ = played
    marks = list((directory / "archive").glob("*/message.json"))

    assert str(directory / "archive") in answer.stdout
    assert len(marks) == EXPECTED["handled"]
    handled = Counter(sample.raw for sample in SAMPLES if sample.expect == "handled")
    assert Counter(mark.with_name("message.eml").read_bytes() for mark in marks) == handled


@pytest.mark.slow
def test_status_and_reconcile_work_on_what_it_left(played: Played) -> None:
    directory, _, _ = played
    messages = answered("--dir", str(directory), "status", "--json")["messages"]
    account = answered("--dir", str(directory), "reconcile", "--json")

    assert {state: messages[state] for state in ("handled", "junk", "failed")} == EXPECTED
    assert (messages["pending"], messages["gone"]) == (0, 0)
    assert (account["seen"], account["unaccounted"], account["missing"]) == (len(SAMPLES), 0, 0)


def test_once_more_hands_nothing_over(played: Played) -> None:
    directory, _, _ = played
    before = sorted((directory / "archive").rglob("*"))

    assert run("--dir", str(directory), "once").returncode == 0
    assert sorted((directory / "archive").rglob("*")) == before


def test_the_next_commands_work_as_printed(played: Played) -> None:
    _, answer, _ = played
    lines = [line.removeprefix("Try next").strip() for line in answer.stdout.splitlines()]
    commands = [shlex.split(line) for line in lines if line.startswith(shlex.join(COMMAND))]

    assert [command[-1] for command in commands][:2] == ["status", "reconcile"]
    for command in commands:
        if command[-1] != "run":  # which goes on until it is stopped: below
            answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            assert answer.returncode == 0, (command, answer.stdout, answer.stderr)


@pytest.mark.slow
def test_run_serves_the_mailbox_until_it_is_stopped(played: Played) -> None:
    directory, _, _ = played
    with subprocess.Popen(
        [*COMMAND, "--dir", str(directory), "run"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        before = answered("--dir", str(directory), "status", "--json")["last_poll"]["at"]
        deadline = time.monotonic() + 30
        while answered("--dir", str(directory), "status", "--json")["last_poll"]["at"] == before:
            assert time.monotonic() < deadline, "no poll"
            assert process.poll() is None
        page = re.search(r"http://127\.0\.0\.1:\d+/", told)
        assert page is not None, told
        assert "Ctrl-C ends it" in told
        assert b"pathology.results" in urlopen(page[0], timeout=10).read()  # noqa: S310 -- http, as said above
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_the_password_is_nowhere_but_in_its_file(played: Played) -> None:
    directory, answer, _ = played
    password = (directory / "password").read_text()
    holders = [path.name for path in directory.rglob("*") if path.is_file() and password.encode() in path.read_bytes()]

    assert holders == ["password"]
    assert password not in answer.stdout + answer.stderr


def test_no_content_of_mail_is_in_its_log_or_journal(played: Played) -> None:
    directory, answer, _ = played
    state = b"".join(path.read_bytes() for path in (directory / "state").rglob("*") if path.is_file())
    written = state + (directory / "worker.log").read_bytes() + answer.stdout.encode()
    content = ["TEST-0001", "surgery.example.org", "lab.example.nhs.uk", "stock.csv", "limited offer"]

    assert [word for word in content if word.encode() in written] == []


@pytest.mark.slow
def test_killed_half_way_it_begins_again(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    with subprocess.Popen([*COMMAND, "--dir", str(directory)], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not (directory / "archive").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()

    answer = run("--dir", str(directory))

    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.slow
def test_stopped_half_way_it_says_so_and_begins_no_second_run(tmp_path: Path) -> None:
    directory = tmp_path / "state"
    command = [*COMMAND, "--dir", str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 30
        while not (directory / "archive").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does for Ctrl-C
        said, _ = process.communicate(timeout=40)

    assert process.returncode == 130
    assert "Stopped before the end" in said


@pytest.mark.slow
def test_a_folder_called_worker_is_not_mistaken_for_us(played: Played, tmp_path: Path) -> None:
    directory, _, _ = played
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker" / "__init__.py").write_text("raise SystemExit('not this one')")
    installed = str(Path(sys.executable).with_name("nhsmail-worker"))

    answer = subprocess.run([installed, "demo", "--dir", directory, "status"], cwd=tmp_path, check=False, timeout=60)

    assert answer.returncode == 0


def test_in_a_folder_of_its_own_by_default(tmp_path: Path) -> None:
    answer = run("status", cwd=tmp_path)

    assert answer.returncode == 64
    assert str(tmp_path / "demo-state") in answer.stdout + answer.stderr
