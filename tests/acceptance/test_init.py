"""`init` on a terminal: every answer as typed, and how it is broken off."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.terminal import OnTerminal
from tests.rig.worker import COMMAND, Worker

MakeWorker = Callable[..., Worker]
TO_ARCHIVE = [{"name": "everything-else", "handlers": ["archive"]}]
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(make_worker: MakeWorker) -> tuple[Worker, Path]:
    """A worker with a mailbox and a password, and no configuration; and where that goes."""
    worker = make_worker()
    worker.config.unlink()
    return worker, worker.folder / "first" / "worker.toml"


def begin(worker: Worker, config: Path, *options: str) -> OnTerminal:
    config.parent.mkdir(exist_ok=True)
    temporary = worker.folder / "temporary"
    temporary.mkdir(exist_ok=True)
    return OnTerminal(
        [COMMAND, "init", "--config", config, *options],
        env=worker.environment(NHSMAIL_STATE__EPHEMERAL="true", TMPDIR=str(temporary)),
        cwd=config.parent,
    )


def test_the_old_mail_is_counted_and_asked_about(folder: tuple[Worker, Path], dovecot: Mailbox) -> None:
    worker, config = folder
    dovecot.append_many("INBOX", letters(12))
    account = worker.settings["account"]
    with begin(worker, config) as terminal:
        terminal.answer("full address", "nobody")
        terminal.answer("must be the full address of the mailbox", dovecot.address)
        terminal.answer("by number or name", "5")
        terminal.answer("account's password", str(worker.folder / "not-there"))
        terminal.answer("read -rs secret", account["password_file"])
        terminal.answer("policy", "4")
        terminal.answer("last changed", "")
        terminal.answer("mail server", account["host"])
        terminal.answer("port", str(account["port"]))
        terminal.answer("private authority", account["ca_file"])
        terminal.answer("worker's state", str(worker.state))
        terminal.answer("archived in", str(worker.archive))
        terminal.answer("Look now?", "")
        terminal.expect("The worker has 8 attempts left")
        terminal.expect("The watched folders hold 12 messages, the oldest of ")
        terminal.answer("now, a date, or all: ", "")
        terminal.answer("now, a date, or all: ", "all")
        assert terminal.ended() == 0, terminal.shown
    assert "everything: all 12 of them" in terminal.shown
    assert "Next, in this order:" in terminal.shown
    assert worker.archive.is_dir()
    assert dovecot.stored("INBOX") != [], "nothing was taken"
    worker.config.symlink_to(config)
    answer = worker.installed("once", NHSMAIL_STATE__EPHEMERAL="true")
    assert answer.code == 0, answer
    assert len(worker.archived()) == 12


BREAKS_OFF: dict[str, Callable[[OnTerminal], None]] = {
    "interrupt": OnTerminal.interrupt,
    "end_input": OnTerminal.end_input,
    "terminate": lambda terminal: terminal.send(signal.SIGTERM),
    "hang_up": lambda terminal: terminal.send(signal.SIGHUP),
}


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        ("end_input", "full address"),
        ("terminate", "full address"),
        ("hang_up", "by number or name"),
        ("interrupt", "Look now?"),
        ("end_input", "now, a date, or all: "),
    ],
)
def test_broken_off_at_a_question_it_leaves_nothing(
    folder: tuple[Worker, Path], dovecot: Mailbox, how: str, asked: str
) -> None:
    worker, config = folder
    account = worker.settings["account"]
    options = [] if asked == "full address" else ["--address", dovecot.address]
    if "now" in asked.lower():
        options += ["--auth", "password", "--password-file", account["password_file"], "--host", account["host"]]
        options += ["--port", str(account["port"]), "--ca-file", account["ca_file"], "--password-policy", "off"]
        options += [
            "--password-changed",
            "2026-11-01",
            "--state-dir",
            str(worker.state),
            "--archive",
            str(worker.archive),
        ]
    if asked.startswith("now"):
        options += ["--no-look"]
    with begin(worker, config, *options) as terminal:
        terminal.expect(asked)
        BREAKS_OFF[how](terminal)
        assert terminal.ended() == 75, terminal.shown
    assert "Stopped. Nothing was written." in terminal.shown
    assert "Traceback" not in terminal.shown
    assert list(config.parent.iterdir()) == []
    assert list((worker.folder / "temporary").iterdir()) == []


def test_by_options_alone_it_counts_if_it_is_told_to(folder: tuple[Worker, Path], dovecot: Mailbox) -> None:
    worker, _ = folder
    account = worker.settings["account"]
    dovecot.append_many("INBOX", letters(3))
    given = {
        "address": dovecot.address,
        "auth": "password",
        **{name.replace("_", "-"): str(account[name]) for name in ("password_file", "host", "port", "ca_file")},
        "password-policy": "off",
        "state-dir": str(worker.state),
        "since": "all",
    }
    words = [word for name, text in given.items() for word in (f"--{name}", text)]
    answer = worker.installed("init", "--look", *words, NHSMAIL_STATE__EPHEMERAL="true")
    assert answer.code == 0, answer
    assert "The watched folders hold 3 messages" in answer.out
    assert "Next, in this order:" in answer.out
    again = worker.installed("init", *words, NHSMAIL_STATE__EPHEMERAL="true")
    assert (again.code, "wasn't changed" in again.err) == (64, True)
