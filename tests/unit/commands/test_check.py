"""`check` tells what would start, and not do what is wanted."""

import os
from pathlib import Path

import pytest

from handlers.archive import Archive
from tests.rig.messages import key_of, report
from worker.commands.check import check
from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.settings import load

LATE = """
class Late:
    def __init__(self): raise ConnectionRefusedError
    def __call__(self, message): ...
"""


ENVIRON = {"NHSMAIL_ACCOUNT__PASSWORD": "Correct-Horse-7"}
JOURNAL = "postgresql+psycopg://worker:Some-Word-1@db.example/nhsmail"
QUEUE = '[handler.spread]\nuse = "queue"\nqueue = "mail"\nurl = "{}"\n'
RELAY = '[alerts.relay]\nhost = "relay.example"\nfrom = "a@trust.uk"\nto = ["duty.team@nhs.net"]\nallow_clear = true\n'
SCAN = '[handler.scan]\nuse = "clamav"\nurl = "tcp://{}:3310"\n'
STORE = '[handler.store]\nuse = "database"\nurl = "{}"\n'


def configuration(
    folder: Path, handlers: str = '["quarantine"]', since: str = "all", state: str = "", more: str = ""
) -> Path:
    path = folder / "worker.toml"
    path.write_text(
        f'[account]\naddress = "a@nhs.net"\nhost = "mail.example"\n[state]\ndir = "{folder}"\nephemeral = true\n{state}'
        f'[poll]\nsince = "{since}"\n[[route]]\nname = "all"\nhandlers = {handlers}\n{more}'
    )
    return path


def context(folder: Path, handlers: str = '["quarantine"]', since: str = "all") -> Context:
    return Context(load(configuration(folder, handlers, since), ENVIRON, []))


def test_a_sound_configuration_has_no_finding(tmp_path: Path) -> None:
    checked = check(context(tmp_path))
    assert (len(checked.lines), checked.finding) == (1, False)


def test_a_handler_that_cannot_be_started_yet_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checked_late.py").write_text(LATE)
    monkeypatch.syspath_prepend(tmp_path)
    checked = check(context(tmp_path, '["checked_late:Late"]'))
    assert checked.finding
    assert "[handler.checked_late:Late] can't be started yet: ConnectionRefusedError." in checked.lines[1]


def test_an_applications_secret_that_has_expired_is_a_finding(tmp_path: Path) -> None:
    path = configuration(tmp_path)
    oauth = (
        '[account.oauth]\ntenant = "t"\nclient_id = "c"\nclient_secret_file = "secret"\nsecret_expires = 2020-01-31\n'
    )
    path.write_text(path.read_text().replace("[state]", f'auth = "oauth2-client"\n{oauth}[state]'))
    (tmp_path / "secret").write_text("s")
    (tmp_path / "secret").chmod(0o600)
    checked = check(Context(load(path, {}, [])))
    assert checked.finding
    assert checked.lines[-1].startswith("The application's client secret has expired.")


def test_a_date_to_come_from_which_mail_is_taken_is_a_finding(tmp_path: Path) -> None:
    assert not check(context(tmp_path, since="2020-01-31")).finding
    checked = check(context(tmp_path, since="2999-01-31"))
    assert checked.finding
    assert "the worker handles no mail" in checked.lines[-1]


@pytest.mark.parametrize(
    ("journal", "state", "more", "line"),
    [
        ("?sslmode=disable", "", "", "[state] journal: sslmode=disable is clear text: "),
        ("?sslmode=require", "", "", "[state] journal: sslmode=require doesn't verify the server"),
        ("", "", QUEUE.format("redis://redis.example/0"), "[handler.spread]: redis to another machine is clear text: "),
        ("", "", QUEUE.format("rediss://redis.example/0?ssl_cert_reqs=none"), "[handler.spread]: ssl_cert_reqs in"),
        ("", "", SCAN.format("clamd.example"), "[handler.scan]: clamd to another machine is clear text: "),
        (
            "",
            "",
            STORE.format("postgresql+psycopg://w@db.example/m?sslmode=disable"),
            "[handler.store]: sslmode=disable",
        ),
        ("", "", STORE.format("postgresql+psycopg://w@db.example/m?sslmode=allow"), "[handler.store]: sslmode=allow"),
        ("", "", '[audit]\nmirror = "syslog"\nsyslog = "log.example:514"\n', "[audit] syslog: syslog over UDP to"),
    ],
)
@pytest.mark.parametrize("reading", [False, True])
def test_what_needs_clear_text_fails_with_the_line_to_add(
    tmp_path: Path, journal: str, state: str, more: str, line: str, *, reading: bool
) -> None:
    environ = {**ENVIRON, "NHSMAIL_STATE__JOURNAL": JOURNAL + journal} if journal else ENVIRON
    if reading and "[handler" in line:
        return  # commands that only read the journal don't look at handlers
    with pytest.raises(Failure) as caught:
        Context.from_files(configuration(tmp_path, state=state, more=more), environ, reading=reading)
    assert caught.value.code == ExitCode.CONFIGURATION
    assert line in str(caught.value)
    assert "Some-Word" not in str(caught.value)
    if "clear text" in line or "disable" in line:
        assert "the line: allow_clear = true" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "state", "handlers", "more"),
    [
        ("state", "allow_clear = true\n", '["quarantine"]', ""),
        ("alerts.relay", "", '["quarantine"]', RELAY),
        ("audit", "", '["quarantine"]', '[audit]\nmirror = "syslog"\nsyslog = "log.x:514"\nallow_clear = true\n'),
        ("handler.spread", "", '["spread"]', QUEUE.format("amqp://w@rabbit.x//") + "allow_clear = true\n"),
        ("handler.scan", "", '["scan"]', SCAN.format("clamd.x") + "allow_clear = true\n"),
        ("handler.store", "", '["store"]', STORE.format("postgresql+psycopg://w@db.x/m") + "allow_clear = true\n"),
    ],
)  # fmt: skip
def test_clear_text_that_is_accepted_is_a_finding(
    tmp_path: Path, table: str, state: str, handlers: str, more: str
) -> None:
    environ = {**ENVIRON, "NHSMAIL_STATE__JOURNAL": JOURNAL} if state else ENVIRON
    with Context.from_files(configuration(tmp_path, handlers, state=state, more=more), environ) as context:
        checked = check(context)
    assert checked.finding
    [line] = [line for line in checked.lines if "allow_clear" in line]
    assert line.startswith(f"[{table}] allow_clear: ")


@pytest.mark.parametrize(
    ("state", "handlers", "more"),
    [
        ("allow_clear = true\n", '["quarantine"]', ""),
        ("", '["spread"]', QUEUE.format("rediss://redis.example/0") + "allow_clear = true\n"),
        ("", '["spread"]', QUEUE.format("redis://127.0.0.1/0") + "allow_clear = true\n"),
        ("", '["scan"]', SCAN.format("localhost") + "allow_clear = true\n"),
        ("", '["store"]', STORE.format("postgresql+psycopg://w@db.example/m")),
        ("", '["store"]', STORE.format("sqlite://")),
    ],
)
def test_what_stays_here_or_is_verified_is_no_finding(tmp_path: Path, state: str, handlers: str, more: str) -> None:
    with Context.from_files(configuration(tmp_path, handlers, state=state, more=more), ENVIRON) as context:
        assert not check(context).finding


def test_what_would_be_removed_is_counted_and_nothing_is_removed(tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    handler = Archive(Archive.Settings.model_validate({"url": archive.as_uri()}))
    for number in range(3):
        handler(report(number))
    handler.flush()
    for number in range(2):
        os.utime(archive / key_of(number) / "message.json", (0, 0))
    table = f'[handler.archive]\nurl = "{archive.as_uri()}"\nremove_after = "30d"\n'
    checked = check(Context(load(configuration(tmp_path, '["archive"]', more=table), ENVIRON, [])))
    assert not checked.finding
    assert checked.lines[1].startswith("[handler.archive] remove_after: 2 of 3 copies checked are older than 30 d.")
    assert len(list(archive.glob("*/message.json"))) == 3
    assert not (archive / ".removed").exists()
