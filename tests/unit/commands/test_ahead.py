"""What a command imports: no more than it needs to start, and of a worker all that it may need later.

Each command runs in a process of its own, as people start it.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

import worker
from worker.commands.ahead import ONCE, RUN
from worker.journal.store import Journal

LIBRARIES = {
    *("alembic", "apscheduler", "attr", "cryptography", "httpcore", "httpx", "inscriptis", "jinja2", "lxml", "magic"),
    *("mailparser", "msal", "obstore", "prometheus_client", "psycopg", "pygments", "requests", "rich", "urllib3"),
    "waitress",
}
"""Libraries that take long to import, and that only some work needs."""
OF_THE_JOURNAL = {"pydantic", "pydantic_core", "sqlalchemy", "structlog"}
OF_THE_MAILBOX = {"imapclient", "re2"}
OF_THE_WORK = {
    *("worker.classify", "worker.commands.failures", "worker.handling.loading", "worker.handling.pool"),
    *("worker.login.oauth", "worker.loop.hold", "worker.mailbox.session", "worker.message.message"),
    *("worker.observe.listener", "worker.pipeline.pipeline", "worker.reconcile.walk"),
}
"""Rooms that a command doesn't need if it only reads the journal."""
OF_A_RUNNING_WORKER = {
    "worker.login.oauth",
    "worker.observe.background",
    "worker.observe.view",
    "worker.reconcile.walk",
}
CONFIGURATION = """
[account]
address = "pathology.results@nhs.net"
host = "127.0.0.1"
port = 9
password_file = "{folder}/password"
[poll]
every = "60s"
reconnect = ["10ms"]
[state]
dir = "{folder}/state"
ephemeral = true
[health]
listen = ""
[[route]]
name = "all"
handlers = ["archive"]
[handler.archive]
url = "file://{folder}/archive"
"""
RUNS = """
import json, sys, threading
sys.argv = ["nhsmail-worker", *sys.argv[1:]]
import nhsmail_worker
try:
    nhsmail_worker.main()
finally:
    print("\\n" + json.dumps(sorted(sys.modules)))
"""
STARTS = """
import json, sys
from worker.commands import work

class Begun(Exception):
    pass

def begun(*_arguments, **_options):
    raise Begun

work.Engine = begun  # by then, the journal is open, and nothing else has begun
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A plain configuration: a password, `archive`, and a journal in SQLite whose tables are there."""
    (tmp_path / "password").touch(mode=0o600)
    (tmp_path / "password").write_text("Bright-Harbour-92")
    file = tmp_path / "worker.toml"
    file.write_text(CONFIGURATION.format(folder=tmp_path))
    (tmp_path / "state").mkdir(mode=0o700)
    journal = Journal(tmp_path / "state", None, time.time)
    journal.open("pathology.results@nhs.net")
    journal.close()
    return file


def loaded(*arguments: str, before: str = "") -> set[str]:
    """Run a command. Returns all modules that it imported."""
    code = before + RUNS
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=90)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("once", "--help"), ("no-such-command",)])
def test_help_waits_for_no_library(arguments: tuple[str, ...]) -> None:
    found = loaded(*arguments)
    assert found & (LIBRARIES | OF_THE_JOURNAL | OF_THE_MAILBOX) == set()
    assert "click" in found


def test_a_command_imports_no_other_commands_options() -> None:
    found = loaded("status", "--help")
    assert "worker.cli.work" in found
    assert found & {"worker.cli.audit", "worker.cli.find", "worker.cli.review"} == set()


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_status_waits_for_the_journal_only(config: Path, form: tuple[str, ...]) -> None:
    found = loaded("status", *form, "--config", str(config))
    assert found >= OF_THE_JOURNAL
    assert found & (LIBRARIES | OF_THE_MAILBOX | OF_THE_WORK) == set()


def test_once_waits_for_no_page_no_oauth_and_no_message(config: Path) -> None:
    found = loaded("once", "--config", str(config))  # nobody answers at that port
    assert found >= {"handlers.archive", "imapclient", "worker.pipeline.pipeline"}
    assert found & LIBRARIES == set()
    assert found & OF_A_RUNNING_WORKER == set()


@pytest.mark.parametrize(("command", "names"), [("once", ONCE), ("run", RUN)])
def test_before_it_begins_a_worker_has_loaded_what_an_emergency_needs(
    config: Path, command: str, names: tuple[str, ...]
) -> None:
    assert loaded(command, "--config", str(config), before=STARTS) >= set(names)


def test_every_name_for_handlers_is_where_it_is_said_to_be() -> None:
    assert set(worker.__all__) == set(worker._HOMES)
    assert set(worker.__all__) <= set(dir(worker))
    for name in worker.__all__:
        assert getattr(worker, name).__module__ == worker._HOMES[name]
    with pytest.raises(AttributeError, match="no attribute 'Massage'"):
        worker.Massage  # type: ignore[attr-defined] # noqa: B018 -- the mistake itself
