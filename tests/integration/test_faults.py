"""What is wrong is said, all of it at once, with the exit code of the table; and where the fault is ours, offline."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import Mailbox
from tests.rig.letters import letters
from tests.rig.proxy import Proxy
from tests.rig.scripted import ScriptedServer, close, no_handshake, send
from tests.rig.tls import Authority
from tests.rig.worker import Answer, Worker, eventually

MakeWorker = Callable[..., Worker]
Spoil = Callable[[Worker], None]


def configured(**tables: dict[str, Any]) -> Spoil:
    def spoil(worker: Worker) -> None:
        worker.configure(**tables)

    return spoil


def appended(text: str) -> Spoil:
    def spoil(worker: Worker) -> None:
        worker.config.write_text(worker.config.read_text() + text)

    return spoil


def without_an_end(worker: Worker) -> None:
    worker.routes[0]["match"] = {"from": "*@lab.example.org"}
    worker.write()


def unwritable(worker: Worker) -> None:
    file = worker.folder / "a-file"
    file.write_text("not a folder")
    worker.configure(state={"dir": str(file / "state")})


def open_password(worker: Worker) -> None:
    (worker.folder / "password").chmod(0o644)


FAULTS: dict[str, tuple[Spoil, list[str]]] = {
    "an unknown key": (configured(poll={"evry": "1m"}), ["evry", "every"]),
    "an unknown table": (appended("\n[pol]\nevery = '60s'\n"), ["pol", "poll"]),
    "two accounts": (appended("\n[[accounts]]\naddress = 'second@nhs.net'\n"), ["account"]),
    "a password in the file": (configured(account={"password": "Broken-Lantern-47"}), ["password", "password_file"]),
    "a password in a URL": (
        configured(state={"journal": "postgresql+psycopg://worker:Broken-Lantern-47@db/nhsmail"}),
        ["journal", "NHSMAIL_STATE__JOURNAL"],
    ),
    "no such handler": (configured(**{"handler.ledger": {"use": "archve"}}), ["archve", "archive"]),
    "a handler that can't be imported": (
        configured(**{"handler.ledger": {"use": "no.such.package:thing"}}),
        ["no.such.package", "ledger"],
    ),
    "a handler that lacks a setting": (configured(**{"handler.ledger": {"file": None}}), ["file", "ledger"]),
    "an unwritable state folder": (unwritable, ["a-file", "state"]),
    "no last route": (without_an_end, ["route", "match"]),
    "a password for everybody to read": (open_password, ["0644", "chmod 600"]),
    "an address that is none": (configured(account={"address": "pathology"}), ["address", "full address"]),
    "no duration": (configured(poll={"every": 60}), ["every", "unit"]),
    "reserve beyond threshold": (configured(lockout={"reserve": 40}), ["reserve", "threshold"]),
    "more attempts than NHSmail allows": (configured(lockout={"threshold": 20}), ["threshold", "policy text", "12"]),
    "a larger budget than NHSmail leaves": (configured(lockout={"reserve": 1}), ["reserve", "policy text", "9"]),
    "no TOML": (appended("\n= what?\n"), ["worker.toml", "line"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_ours_is_named_and_no_connection_is_made(proxy: Proxy, make_worker: MakeWorker, name: str) -> None:
    spoil, words = FAULTS[name]
    worker = make_worker(proxy)
    spoil(worker)

    answers = [worker.command("once"), worker.command("check")]

    assert [answer.code for answer in answers] == [78, 78], answers
    for answer in answers:
        assert [word for word in words if word not in answer.err] == []
        assert "Broken-Lantern-47" not in answer.err + answer.out
    assert proxy.traffic.connections == 0


def test_all_faults_are_in_one_report(proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy)
    open_password(worker)
    unwritable(worker)
    worker.configure(
        account={"adress": "x"},
        poll={"every": "often"},
        lockout={"reserve": 40},
        **{"handler.ledger": {"use": "no:way"}},
    )

    answer = worker.command("run")

    assert answer.code == 78
    faults = [line for line in answer.err.splitlines() if line.startswith("  - ")]
    for word in ("0644", "a-file", "adress", "every", "reserve", "ledger"):
        assert [fault for fault in faults if word in fault], (word, faults)
    assert f"{len(faults)} faults" in answer.err
    assert proxy.traffic.connections == 0


def test_an_unknown_variable_of_the_environment_is_a_fault(
    proxy: Proxy, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = make_worker(proxy)
    monkeypatch.setenv("NHSMAIL_POLL__EVRY", "60s")
    monkeypatch.setenv("NHSMAIL_SERVICE_HOST", "10.0.0.1")  # what Kubernetes injects is not ours

    answer = worker.command("once")

    assert answer.code == 78
    assert "NHSMAIL_POLL__EVRY" in answer.err
    assert "SERVICE_HOST" not in answer.err
    assert proxy.traffic.connections == 0


def test_usage_errors_are_64(make_worker: MakeWorker) -> None:
    worker = make_worker()

    assert worker.command("once", "--no-such-option").code == 64
    assert worker.command("twice").code == 64


def test_no_configuration_at_all(tmp_path: Path, make_worker: MakeWorker) -> None:
    worker = make_worker()
    worker.config.unlink()

    answer = worker.command("once")

    assert answer.code == 78
    assert str(worker.config) in answer.err


# -- TLS and the network: not our fault, and nothing is sent


def refused(worker: Worker) -> Answer:
    answer = worker.command("once")
    assert answer.code == 69, answer
    assert worker.status()["login"]["failures"] == 0
    assert worker.rows("select count(*) from attempt where counts") == [(0,)]
    return answer


def test_a_certificate_of_somebody_else_s_authority(
    scripted: Callable[..., ScriptedServer], make_worker: MakeWorker, tmp_path: Path
) -> None:
    server = scripted([no_handshake()])
    worker = make_worker(server)
    worker.configure(account={"ca_file": str(Authority(tmp_path / "other").ca_file)})

    assert "ca_file" in refused(worker).err
    assert server.commands == []


def test_a_certificate_for_another_host(
    scripted: Callable[..., ScriptedServer], authority: Authority, make_worker: MakeWorker
) -> None:
    server = scripted([no_handshake()], tls=authority.server_context("mail.example.org"))
    worker = make_worker(server)

    assert "certificate" in refused(worker).err.lower()
    assert server.commands == []


def test_a_server_without_tls(scripted: Callable[..., ScriptedServer], make_worker: MakeWorker) -> None:
    server = scripted([send("* OK IMAP without TLS"), close()], tls=None)

    refused(make_worker(server))


def test_a_host_that_can_t_be_reached(proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy)
    proxy.refuse()

    assert "localhost" in refused(worker).err


def test_a_host_that_is_not_there(make_worker: MakeWorker) -> None:
    worker = make_worker()
    worker.configure(account={"host": "no-such-host.invalid"})

    answer = worker.installed("once")

    assert answer.code == 69
    assert "no-such-host.invalid" in answer.err


def test_run_goes_on_trying_where_the_server_is_not_there(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker
) -> None:
    dovecot.append_many("INBOX", letters(1))
    worker = make_worker(proxy)
    proxy.refuse()

    with worker.running() as running:
        eventually(lambda: len(worker.events("connection.lost")) > 2)
        assert running.alive
        proxy.accept()
        eventually(worker.handed)


# -- the mailbox isn't as the settings say


@pytest.mark.parametrize(
    ("tables", "word"),
    [({"poll": {"folders": ["INBOX", "Results"]}}, "Results"), ({"junk": {"folder": "Rubbish"}}, "Rubbish")],
)
def test_a_folder_that_is_not_there(make_worker: MakeWorker, tables: dict[str, Any], word: str) -> None:
    worker = make_worker(settings=tables)

    answer = worker.command("once")

    assert answer.code == 78
    assert word in answer.err


def test_a_journal_of_another_account(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy)
    assert worker.command("pause").code == 0
    worker.configure(account={"address": "somebody.else@nhs.net"})

    answer = worker.command("once")

    assert answer.code == 78
    assert dovecot.address in answer.err
    assert proxy.traffic.connections == 0


def test_a_damaged_journal_means_no_login(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker) -> None:
    worker = make_worker(proxy)
    assert worker.command("pause").code == 0
    journal = worker.state / "journal.sqlite"
    content = bytearray(journal.read_bytes())
    content[200 : len(content)] = random.Random(15).randbytes(len(content) - 200)
    journal.write_bytes(content)
    for left in worker.state.glob("journal.sqlite-*"):
        left.unlink()

    answer = worker.command("once")

    assert answer.code == 78, answer
    assert "journal" in answer.err
    assert (proxy.traffic.connections, dovecot.history) == (0, [])
