"""From nothing to the first handled message, by what `init` says, at an authorisation server that isn't ours."""

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.oidc.conftest import SECRET, MakeSigned, application_of, sign_in
from tests.rig.dovecot import Mailbox, Seed
from tests.rig.letters import letters
from tests.rig.oidc_provider import TENANT, OidcProvider
from tests.rig.terminal import OnTerminal
from tests.rig.worker import COMMAND, Worker, eventually

pytestmark = pytest.mark.slow


class Beginner:
    """Somebody with a mailbox, a registered application, and an empty folder."""

    def __init__(self, worker: Worker) -> None:
        worker.config.unlink()
        self.worker = worker
        self.environment = worker.environment(NHSMAIL_STATE__EPHEMERAL="true", NHSMAIL_HEALTH__LISTEN="off")

    def types(self, line: str) -> OnTerminal:
        """A line of the shell, as the worker shows it."""
        command, *arguments = shlex.split(line)
        assert command == "nhsmail-worker"
        words: list[str | Path] = [COMMAND, *arguments]
        return OnTerminal(words, env=self.environment, cwd=self.worker.folder)


def following(terminal: OnTerminal) -> list[str]:
    """The commands that `init` says come next."""
    lines = terminal.shown.partition("Next, in this order:")[2].splitlines()
    return [line.strip() for line in lines if line.strip()]


def test_an_application_that_signs_in_by_itself(dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned) -> None:
    beginner = Beginner(make_signed("oauth2-client"))
    worker = beginner.worker
    account, given = worker.settings["account"], worker.settings["account.oauth"]
    secret = Path(given["client_secret_file"])
    secret.unlink()
    old = datetime.now(UTC) - timedelta(days=400)
    dovecot.append_many("INBOX", [Seed(letter, received_at=old) for letter in letters(2)])
    with beginner.types(f"nhsmail-worker init --authority {oidc.url}") as terminal:
        terminal.answer("full address: ", dovecot.address)
        terminal.answer("by number or name: ", "1")
        terminal.answer("(Directory ID): ", TENANT)
        terminal.answer("(Client ID): ", given["client_id"])
        terminal.answer("(Enter: there is none): ", "")
        terminal.answer("secret: ", str(secret))
        terminal.expect("read -rs secret")
        secret.touch(mode=0o600)
        secret.write_text(SECRET)
        terminal.answer("secret: ", str(secret))
        terminal.answer("(Enter: not known): ", f"{datetime.now(UTC) + timedelta(days=300):%Y-%m-%d}")
        terminal.answer("[outlook.office365.com]: ", account["host"])
        terminal.answer("[993]: ", str(account["port"]))
        terminal.answer("(Enter: a public one): ", account["ca_file"])
        terminal.answer("[/var/lib/nhsmail-worker]: ", str(worker.state))
        terminal.answer(f"[{worker.state}/archive]: ", "")
        terminal.answer("Look now? [Y/n] ", "y")
        terminal.expect("No password is sent.")
        terminal.expect(f"The watched folders hold 2 messages, the oldest of {old:%Y-%m-%d}")
        terminal.answer("now, a date, or all: ", "now")
        assert terminal.ended() == 0, terminal.shown
    dovecot.append_many("INBOX", letters(1, start=3))
    commands = following(terminal)
    assert [command.removeprefix("nhsmail-worker ") for command in commands] == [
        *("check", "login doctor", "once --dry-run", "run")
    ]
    for command in commands[:-1]:
        with beginner.types(command) as typed:
            assert typed.ended() == 0, typed.shown
    assert "All is well" not in typed.shown
    with beginner.types(commands[-1]) as running:
        archive = worker.state / "archive"
        eventually(lambda: len(list(archive.glob("*/message.json"))) == 1)
        running.interrupt()
        assert running.ended() == 0, running.shown
    assert len(dovecot.stored("INBOX")) == 2, "what lay there before is left alone"
    assert dovecot.history == [], "no password was sent"


def test_a_person_who_signs_in_after_it(dovecot: Mailbox, oidc: OidcProvider, make_signed: MakeSigned) -> None:
    beginner = Beginner(make_signed("oauth2-device"))
    worker = beginner.worker
    account = worker.settings["account"]
    options = f"--auth oauth2-device --address {dovecot.address} --tenant {TENANT} --client-id {application_of(worker)}"
    options += (
        f" --authority {oidc.url} --host {account['host']} --port {account['port']} --ca-file {account['ca_file']}"
    )
    dovecot.append_many("INBOX", letters(2))
    with beginner.types(f"nhsmail-worker init {options} --state-dir {worker.state}") as terminal:
        terminal.answer("own account): ", "")
        terminal.answer("[application-account]: ", "")
        terminal.answer("(Enter: not known): ", "2026-11-01")
        terminal.answer("archived in", "")
        terminal.answer("Look now? [Y/n] ", "")
        terminal.expect("The worker couldn't look at the mailbox. ")
        terminal.expect("login authorise")
        terminal.answer("now, a date, or all: ", "3")
        assert terminal.ended() == 0, terminal.shown
    assert following(terminal)[1] == "nhsmail-worker login authorise"
    worker.settings["account"]["address"] = dovecot.address
    assert sign_in(worker, oidc).code == 0
    with beginner.types("nhsmail-worker once") as once:
        assert once.ended() == 0, once.shown
    assert "The first run. The watched folders hold 2 messages" in once.shown
    assert len(list((worker.state / "archive").glob("*/message.json"))) == 2
