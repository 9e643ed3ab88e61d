"""A configuration that needs clear text, before and after the line that accepts it; and the same servers with TLS."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from handlers.database import Database as DatabaseHandler
from handlers.database import DatabaseRefused
from tests.rig.bad_servers import ELSEWHERE, BadServer, certificates
from tests.rig.dovecot import Mailbox
from tests.rig.messages import report
from tests.rig.postgres import PASSWORD, USER, Postgres
from tests.rig.tls import ADDRESS, Authority
from tests.rig.worker import Worker
from worker.journal.database import Database, JournalUnprotected

MakeWorker = Callable[..., Worker]
LINE = "accept clear text by adding to [state] the line: allow_clear = true"


@pytest.fixture(scope="module")
def postgres_tls(authority: Authority) -> Iterator[Postgres]:
    with Postgres(authority.issue(ELSEWHERE)) as server:
        yield server


@pytest.fixture(scope="module")
def postgres_by_another_name(authority: Authority) -> Iterator[Postgres]:
    with Postgres(authority.issue("other.example")) as server:
        yield server


def elsewhere(server: Postgres) -> str:
    """The URL of an empty database as if it were on another machine."""
    return server.fresh_url().replace(ADDRESS, ELSEWHERE)


def with_journal(make_worker: MakeWorker, folder: Path, url: str) -> Worker:
    file = folder / "journal-url"
    file.touch(mode=0o600)
    file.write_text(url)
    worker = make_worker()
    worker.configure(state={"journal_file": str(file)})
    return worker


def test_a_journal_without_tls_is_used_only_once_that_is_accepted(
    dovecot: Mailbox, make_worker: MakeWorker, postgres_server: Postgres, tmp_path: Path
) -> None:
    worker = with_journal(make_worker, tmp_path, elsewhere(postgres_server))
    for command in (("once",), ("run",), ("check", "--connect")):
        answer = worker.command(*command)
        assert answer.code == 78, answer
        assert "does not support ssl" in answer.err
        assert f"The server offers no TLS. Turn it on there (`ssl = on`), or {LINE}" in answer.err
        assert PASSWORD not in answer.err
    assert dovecot.history == []

    worker.configure(state={"allow_clear": True})
    assert worker.command("once").code == 0
    assert [line["setting"] for line in worker.events("connection.clear_text")] == ["state"]
    answer = worker.command("check")
    assert answer.code == 1
    assert "[state] allow_clear: what the worker sends there crosses the network in clear text" in answer.out


@pytest.mark.parametrize("mode", ["disable", "prefer", "require"])
def test_a_url_that_asks_for_less_is_a_fault_before_anything_connects(
    dovecot: Mailbox, make_worker: MakeWorker, postgres_server: Postgres, tmp_path: Path, mode: str
) -> None:
    worker = with_journal(make_worker, tmp_path, f"{elsewhere(postgres_server)}?sslmode={mode}")
    for command in ("check", "once", "status"):
        answer = worker.command(command)
        assert answer.code == 78, answer
        assert f"[state] journal_file: sslmode={mode} " in answer.err
        assert (LINE in answer.err) is (mode == "disable")
        assert PASSWORD not in answer.err


def test_a_relay_without_tls_is_found_before_an_alert_is_lost(
    make_worker: MakeWorker, authority: Authority, tmp_path: Path
) -> None:
    issued = certificates(authority, tmp_path)
    with BadServer("smtp", "no TLS", issued) as without, BadServer("smtp", "none", issued) as relay:
        table = {
            "host": ELSEWHERE,
            "port": without.port,
            "from": "alerts@trust.nhs.uk",
            "to": ["duty.team@nhs.net"],
            "ca_file": str(authority.ca_file),
        }
        worker = make_worker(settings={"alerts.relay": table})
        answer = worker.command("check", "--connect")
        assert answer.code == 78
        assert "accept clear text by adding to [alerts.relay] the line: allow_clear = true" in answer.err
        worker.configure(**{"alerts.relay": {"allow_clear": True}})
        answer = worker.command("check", "--connect")
        assert answer.code == 1
        assert "[alerts.relay] allow_clear: " in answer.out
        assert "can be used for alerts" in answer.out
        worker.configure(**{"alerts.relay": {"allow_clear": None, "port": relay.port}})
        assert worker.command("check", "--connect").code == 0
        worker.configure(**{"alerts.relay": {"ca_file": None}})
        answer = worker.command("check", "--connect")
        assert answer.code == 1
        assert "[alerts.relay] can send nothing: " in answer.out
        assert "has a certificate that no trusted authority has signed. Nothing was sent." in answer.out
        assert b"MAIL" not in without.clear + relay.inside


def test_the_keys_of_tls_are_written_nowhere(make_worker: MakeWorker, tmp_path: Path) -> None:
    worker = make_worker()
    answer = worker.installed("check", "--connect", SSLKEYLOGFILE=str(tmp_path / "keys"))
    assert answer.code == 0, answer
    assert not (tmp_path / "keys").exists()


def test_what_a_handler_sends_in_clear_text_is_logged_at_the_start(make_worker: MakeWorker) -> None:
    worker = make_worker(
        settings={"handler.scan": {"use": "clamav", "url": f"tcp://{ELSEWHERE}:1", "allow_clear": True}},
        routes=[{"name": "all", "handlers": ["scan"]}],
    )
    worker.command("once")
    assert [line["setting"] for line in worker.events("connection.clear_text")] == ["handler.scan"]


def test_a_server_with_tls_is_verified(postgres_tls: Postgres, authority: Authority, tmp_path: Path) -> None:
    url = elsewhere(postgres_tls)
    with closing(Database(f"{url}?sslrootcert={authority.ca_file}")) as journal, journal.read() as connection:
        in_use = connection.exec_driver_sql("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").one()
    assert in_use.ssl
    assert in_use.version in ("TLSv1.2", "TLSv1.3")
    stranger = Authority(tmp_path)
    with closing(Database(f"{url}?sslrootcert={stranger.ca_file}")) as journal:
        with pytest.raises(JournalUnprotected) as caught, journal.read():
            pass
        assert "sslrootcert=FILE" in caught.value.advice


def test_the_systems_authorities_count(
    postgres_tls: Postgres, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    with closing(Database(elsewhere(postgres_tls))) as journal, journal.read():
        pass
    monkeypatch.delenv("SSL_CERT_FILE")
    with closing(Database(elsewhere(postgres_tls))) as journal, pytest.raises(JournalUnprotected), journal.read():
        pass


def test_a_server_by_another_name_is_refused(postgres_by_another_name: Postgres, authority: Authority) -> None:
    url = f"{elsewhere(postgres_by_another_name)}?sslrootcert={authority.ca_file}"
    with closing(Database(url)) as journal, pytest.raises(JournalUnprotected), journal.read():
        pass


def test_the_handler_says_what_to_do(
    postgres_server: Postgres, postgres_tls: Postgres, authority: Authority, tmp_path: Path
) -> None:
    def filed(server: Postgres, query: str = "", *, allow_clear: bool = False) -> None:
        url = elsewhere(server).replace(f"{USER}:{PASSWORD}", USER) + query
        settings = DatabaseHandler.Settings(url=url, password=SecretStr(PASSWORD), allow_clear=allow_clear)
        with closing(DatabaseHandler(settings)) as handler:
            handler(report())

    filed(postgres_tls, f"?sslrootcert={authority.ca_file}")
    filed(postgres_server, allow_clear=True)
    for server, query in ((postgres_server, ""), (postgres_tls, f"?sslrootcert={Authority(tmp_path).ca_file}")):
        with pytest.raises(DatabaseRefused, match=r"verified TLS.*sslrootcert.*allow_clear = true"):
            filed(server, query)
