"""The first run on a mailbox with years of mail: what `once` says and asks, and that `run` and cron don't wait."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.terminal import OnTerminal
from tests.rig.worker import COMMAND, Worker, eventually

MakeWorker = Callable[..., Worker]
TO_ARCHIVE = [{"name": "everything-else", "handlers": ["archive"]}]
MANY = 1_500
TOO_MANY = 1_001
"""The fewest that are asked about."""


def with_old_mail(make_worker: MakeWorker, dovecot: Mailbox, count: int) -> Worker:
    dovecot.append_many("INBOX", letters(count))
    return make_worker(routes=TO_ARCHIVE)


def on_a_terminal(worker: Worker, *options: str) -> OnTerminal:
    command: list[str | Path] = [COMMAND, "once", *options, "--config", worker.config]
    return OnTerminal(command, env=worker.environment(), cwd=worker.folder)


@pytest.mark.slow
def test_once_asks_on_a_terminal_and_a_no_hands_over_nothing(make_worker: MakeWorker, dovecot: Mailbox) -> None:
    worker = with_old_mail(make_worker, dovecot, MANY)
    for refuse in ("n\n", "\x03"):
        with on_a_terminal(worker) as terminal:
            terminal.expect(f"The watched folders hold {MANY:,} messages, the oldest of ")
            terminal.expect(f"Hand over all {MANY:,} of them? [y/N] ")
            terminal.type(refuse)
            assert terminal.ended() == 75, terminal.shown
        assert "Nothing was handed over" in terminal.shown
        assert "Traceback" not in terminal.shown
    with on_a_terminal(worker) as terminal:
        terminal.expect("[y/N] ")
        terminal.send(signal.SIGTERM)
        assert terminal.ended() == 75, terminal.shown
    assert worker.archived() == []
    assert len(dovecot.stored("INBOX")) == MANY
    status = worker.status()
    assert (status["messages"]["pending"], status["last_poll"]["at"]) == (0, None), "it is no failed poll"
    with on_a_terminal(worker) as terminal:
        terminal.answer("[y/N] ", "yes")
        assert terminal.ended() == 0, terminal.shown
    assert len(worker.archived()) == MANY
    with on_a_terminal(worker) as terminal:
        assert terminal.ended() == 0
    assert "The first run" not in terminal.shown


@pytest.mark.slow
def test_a_yes_on_the_command_line_is_the_answer(make_worker: MakeWorker, dovecot: Mailbox) -> None:
    worker = with_old_mail(make_worker, dovecot, TOO_MANY)
    assert worker.command("once", "--yes").code == 0
    assert len(worker.archived()) == TOO_MANY
    assert [said["count"] for said in worker.events("mailbox.first_mail")] == [TOO_MANY]
    assert worker.events("mailbox.much_old_mail") == [], "nobody has to be warned"


@pytest.mark.long
def test_since_or_all_in_the_settings_is_an_answer(make_worker: MakeWorker, dovecot: Mailbox) -> None:
    worker = with_old_mail(make_worker, dovecot, TOO_MANY)
    worker.configure(poll={"since": "2037-01-01"})
    with on_a_terminal(worker) as terminal:
        assert terminal.ended() == 0, terminal.shown
    assert worker.archived() == []
    worker.configure(poll={"since": "all"})
    with on_a_terminal(worker) as terminal:
        assert terminal.ended() == 0, terminal.shown
    assert len(worker.archived()) == TOO_MANY
    assert "[y/N]" not in terminal.shown


@pytest.mark.slow
def test_a_scheduled_run_goes_on_and_says_it(make_worker: MakeWorker, dovecot: Mailbox) -> None:
    worker = with_old_mail(make_worker, dovecot, TOO_MANY)
    assert worker.once() == 0
    (said,) = worker.events("mailbox.much_old_mail")
    assert (said["count"], said["level"]) == (TOO_MANY, "warning")
    assert len(worker.archived()) == TOO_MANY
    assert worker.once() == 0
    assert len(worker.events("mailbox.much_old_mail")) == 1
    assert worker.events("mailbox.first_mail") == []


def test_run_says_what_it_takes_up_once(make_worker: MakeWorker, dovecot: Mailbox) -> None:
    dovecot.append_many("INBOX", letters(3))
    worker = make_worker(routes=TO_ARCHIVE)
    for _ in range(2):
        with worker.running():
            eventually(lambda: len(worker.archived()) == 3)
    (said,) = worker.events("mailbox.first_mail")
    assert said["count"] == 3
    assert said["since"].endswith("T00:00:00.000Z")
