"""A real mailbox that fills up: by Dovecot's quota, and by estimate where nobody tells a quota."""

import contextlib
import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.journal import Texts
from tests.fakes.permission import Allowed
from tests.rig.dovecot import JUNK, Dovecot, Mailbox
from tests.rig.exchange.imitation import Exchange
from tests.rig.exchange.rules import Rules
from tests.rig.letters import letter, letters
from tests.rig.mixed_mail import mixed
from tests.rig.ports import free_port
from tests.rig.proxy import Proxy
from tests.rig.scripted import ScriptedServer, Step, answer, greeting
from tests.rig.worker import Worker, eventually
from worker.mailbox.errors import MailboxError, ServerUnavailable, Throttled
from worker.mailbox.session import Endpoint, Session, Storage
from worker.reconcile.folder_tally import FolderTally

MakeWorker = Callable[..., Worker]
MakeDovecot = Callable[..., Dovecot]
MakeProxy = Callable[..., Proxy]
Scripted = Callable[..., ScriptedServer]

ADDRESS = "pathology.results@nhs.net"
LIMIT = 2 << 20
QUOTA = """
mail_plugins {
  quota = yes
}
protocol imap {
  mail_plugins {
    imap_quota = yes
  }
}
quota "User quota" {
  driver = count
  storage_size = 2M
  storage_grace = 0
}
"""
POLLS = {"every": "200ms", "idle": False, "reconnect": ["0.1s"]}


@pytest.fixture
def server(make_dovecot: MakeDovecot) -> Dovecot:
    return make_dovecot(extra=QUOTA)


def fill(mailbox: Mailbox, percent: int, *, waiting: int = 3, over: int = 0) -> None:
    """Fill the mailbox up to this, by what a person keeps in it and by letters that wait for the worker."""
    new = letters(waiting, size=20_000)
    a_line = 80  # as a letter may be so much longer
    kept = LIMIT * percent // 100 - a_line + over - sum(map(len, new))
    mailbox.append_many("Deleted Items", [letter(900, size=kept)])
    mailbox.append_many("INBOX", new)


class Alerts:
    """Takes alerts as a webhook does."""

    def __init__(self) -> None:
        got: list[dict[str, Any]] = []
        self.got = got

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def of(self, state: str) -> dict[str, int | None]:
        return {one["rule"]: one["number"] for one in self.got if one["state"] == state and "mailbox" in one["rule"]}

    def hook(self, folder: Path) -> Path:
        """A file that holds the URL."""
        path = folder / "hook"
        path.touch(mode=0o600)
        path.write_text(self.url)
        return path

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def alerts() -> Iterator[Alerts]:
    with contextlib.closing(Alerts()) as taken:
        yield taken


@pytest.mark.slow
@pytest.mark.parametrize(
    ("percent", "state", "rules", "event", "code"),
    [
        (70, "fine", set(), "mailbox.size", 0),
        (80, "filling", {"mailbox-filling"}, "mailbox.filling", 0),
        (95, "full", {"mailbox-filling", "mailbox-full"}, "mailbox.full", 1),
        (100, "full", {"mailbox-filling", "mailbox-full"}, "mailbox.full", 1),
    ],
)
def test_a_mailbox_that_fills_is_told_everywhere(
    server: Dovecot,
    make_worker: MakeWorker,
    alerts: Alerts,
    tmp_path: Path,
    percent: int,
    state: str,
    rules: set[str],
    event: str,
    code: int,
) -> None:
    mailbox = server.mailbox(ADDRESS)
    fill(mailbox, percent)
    listen = f"127.0.0.1:{free_port()}"
    hook = {"json_webhook_file": str(alerts.hook(tmp_path)), "every": "200ms"}
    tables = {"poll": POLLS, "health": {"listen": listen}, "alerts": hook}
    worker = make_worker(mailbox=mailbox, settings=tables)

    with worker.running():
        eventually(lambda: len(mailbox.stored("Processed")) == 3)
        eventually(lambda: worker.status()["mailbox"])
        page = httpx.get(f"http://{listen}/").text
        metrics = httpx.get(f"http://{listen}/metrics").text
        eventually(lambda: alerts.of("firing").keys() == rules)

    found = worker.status()["mailbox"]
    assert (found["state"], found["percent"], found["limit"]) == (state, percent, LIMIT)
    assert (found["limit_known_by"], found["estimate"]) == ("server", False)
    assert set(alerts.of("firing").values()) <= {percent}
    assert re.search(rf"{percent} % full: [\d.]+ MB of 2.1 MB, by the server&#39;s quota, ", page)
    assert ("Senders get it back undelivered" in page) is bool(rules)
    assert ("<code>[settle] delete_handled_after</code>" in page) is bool(rules)
    (used,) = re.findall(r"^nhsmail_mailbox_used_bytes (\S+)$", metrics, re.MULTILINE)
    assert float(used) == found["used"]
    assert f'nhsmail_mailbox_state{{state="{state}"}} 1.0' in metrics
    assert f"mailbox: {percent} % full: " in " ".join(worker.command("status").out.split())
    (line,) = worker.events(event)
    assert (line["bytes"], line["limit"], line["percent"]) == (found["used"], LIMIT, percent)
    checked = worker.command("check", "--connect")
    assert checked.code == code
    assert f"2.1 MB, {percent} % (by the server's quota)" in checked.out
    assert ("Local Administrator for a larger mailbox" in checked.out) is bool(rules)
    reconciled = worker.command("reconcile")
    assert reconciled.code == 0
    assert f"2.1 MB, {percent} % (by the server's quota)" in reconciled.out
    assert len(worker.handed()) == 3


@pytest.mark.slow
def test_when_a_person_has_made_room_the_alert_is_over(
    server: Dovecot, make_worker: MakeWorker, alerts: Alerts, tmp_path: Path
) -> None:
    mailbox = server.mailbox(ADDRESS)
    fill(mailbox, 100)
    hook = {"json_webhook_file": str(alerts.hook(tmp_path)), "every": "200ms"}
    tables = {"poll": POLLS, "alerts": hook}
    worker = make_worker(mailbox=mailbox, settings=tables)
    with worker.running():
        eventually(lambda: len(alerts.of("firing")) == 2)
    with mailbox.client() as person:
        person.select_folder("Deleted Items")
        person.delete_messages(person.search())
        person.expunge()
    due_now(worker)
    with worker.running():
        eventually(lambda: alerts.of("resolved").keys() == {"mailbox-filling", "mailbox-full"})
    assert worker.status()["mailbox"]["state"] == "fine"


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "over"), [((), 0), ((), 2_000), (("MOVE",), 0)])
def test_in_a_full_mailbox_each_outcome_is_kept_and_shown_once_there_is_room(
    server: Dovecot, make_worker: MakeWorker, make_proxy: MakeProxy, hidden: Sequence[str], over: int
) -> None:
    """MOVE needs no room, but Dovecot refuses it once the limit is exceeded; COPY needs room.

    A message that is done and can't be moved stays where it is, and isn't handed over again.
    """
    mailbox = server.mailbox(ADDRESS)
    fill(mailbox, 100, waiting=5, over=over)
    before = make_proxy(server)
    before.without(*hidden)
    worker = make_worker(before, mailbox=mailbox)

    worker.once()
    assert len(worker.handed()) == 5
    assert worker.status()["messages"]["handled"] == 5
    assert worker.status()["mailbox"]["state"] == "full"
    moved = 0 if hidden or over else 5
    assert len(mailbox.stored("Processed")) == moved
    assert len(mailbox.stored("INBOX")) == 5 - moved
    if not moved:
        (told,) = worker.events("mailbox.move_refused")
        assert (told["count"], told["folder"], told["target"]) == (5, "INBOX", "Processed")
        assert told["reason"] == "overquota"
    worker.once()
    assert len(worker.handed()) == 5
    assert worker.reconcile()["unaccounted"] == 0

    with mailbox.client() as person:
        person.select_folder("Deleted Items")
        person.delete_messages(person.search())
        person.expunge()
    worker.once()
    assert (len(mailbox.stored("Processed")), len(mailbox.stored("INBOX"))) == (5, 0)
    assert len(worker.handed()) == 5
    assert len(set(worker.archived())) in (0, 5)
    assert worker.reconcile()["unaccounted"] == 0


def due_now(worker: Worker) -> None:
    """Let the time pass until the size is looked for again."""
    with contextlib.closing(sqlite3.connect(worker.state / "journal.sqlite")) as connection, connection:
        (stored,) = connection.execute("select value from fact where name = 'kept.mailbox.size.asked'").fetchone()
        asked = json.loads(stored) | {"quota_at": 0.0, "sum_at": 0.0}
        update = "update fact set value = ? where name = 'kept.mailbox.size.asked'"
        connection.execute(update, (json.dumps(asked),))


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [("QUOTA",), ("QUOTA", "STATUS=SIZE")])
def test_without_quota_the_worker_tells_its_estimate(
    server: Dovecot, make_worker: MakeWorker, make_proxy: MakeProxy, hidden: Sequence[str]
) -> None:
    mailbox = server.mailbox(ADDRESS)
    fill(mailbox, 90, over=1_000)
    before = make_proxy(server)
    before.without(*hidden)
    worker = make_worker(before, mailbox=mailbox, settings={"mailbox": {"size": "2MiB"}})
    worker.once()
    assert worker.status()["mailbox"] is None
    assert "doesn't know how full the mailbox is" in worker.command("check", "--connect").out
    due_now(worker)
    worker.once()
    found = worker.status()["mailbox"]
    assert (found["estimate"], found["limit_known_by"], found["state"]) == (True, "setting", "filling")
    assert found["percent"] == 90
    assert not any(command.startswith("GETQUOTAROOT") for command in before.commands)
    assert "(an estimate: the sum of the messages' sizes, against [mailbox] size)" in worker.command("reconcile").out


def logged_in(server: Any, mailbox: Mailbox) -> Session:
    session = Session(Endpoint(server.host, server.port, ca_file=Path(mailbox.ca_file)))
    session.connect()
    session.login(mailbox.address, mailbox.password)
    return session


@pytest.mark.parametrize("hidden", [(), ("STATUS=SIZE",)])
def test_the_estimate_is_within_a_thousandth_of_the_quota(
    server: Dovecot, make_proxy: MakeProxy, hidden: Sequence[str]
) -> None:
    """Dovecot counts in units of 1024, so up to one of them may be the difference; and nothing else here is."""
    mailbox = server.mailbox(ADDRESS)
    mails = [raw for raw in mixed(60) if len(raw) < 30_000]
    for number, folder in enumerate(("INBOX", "Processed", JUNK, "Sent Items", "Archive/2025")):
        mailbox.append_many(folder, mails[number::5])
    before = make_proxy(server)
    before.without(*hidden)
    by_quota, by_sum = logged_in(server, mailbox), logged_in(before, mailbox)
    memory = Texts()

    def error() -> float:
        total = FolderTally(memory, key=b"", permission=Allowed()).total(by_sum)
        told = by_quota.storage()
        assert total is not None
        assert told is not None
        assert told.limit == LIMIT
        return abs(total - told.used) / told.used * 100

    errors = [error()]
    with mailbox.client() as person:
        person.select_folder("Processed")
        person.delete_messages(person.search()[:3])
        person.expunge()
        person.append("INBOX", letter(1, size=40_000))
    errors.append(error())
    assert max(errors) < 0.1
    by_sum.close()
    by_quota.close()


@pytest.mark.parametrize("scenario", ["unlisted"])
def test_the_estimate_on_exchange_is_close_though_it_tells_neither_quota_nor_folders_sizes(
    make_dovecot: MakeDovecot, scenario: str
) -> None:
    """It tells each message's size roughly (the imitation in the mean 2.6 % too little); SEARCH leaves some out."""
    server = make_dovecot(extra=QUOTA, manners=Exchange(Rules.of(scenario)))
    mailbox = server.mailbox(ADDRESS)
    for number, folder in enumerate(("INBOX", "Processed", "Sent Items")):
        first = 100 * number + 1
        mailbox.append_many(folder, (letter(count, size=300 * (count % 60)) for count in range(first, first + 60)))
    session = logged_in(server, mailbox)
    assert not session.has("QUOTA")
    assert not session.has("STATUS=SIZE")
    total = FolderTally(Texts(), key=b"", permission=Allowed()).total(session)
    with mailbox.client() as person:
        ((quota,),) = [person.get_quota_root("INBOX")[1]]
    assert total is not None
    error = abs(total - quota.usage * 1024) / (quota.usage * 1024) * 100
    assert error < 3, f"{error:.2f} %"
    session.close()


def quiet_polls(before: Proxy, worker: Worker) -> set[str]:
    """The kinds of commands of some polls in which nothing happens."""
    with worker.running():
        eventually(lambda: before.commands.count("NOOP") >= 2)
        with before.measure() as used:
            begin = before.commands.count("NOOP")
            eventually(lambda: before.commands.count("NOOP") >= begin + 5)
        assert used.round_trips <= 2 * used.commands.count("NOOP") + 1
        return {command.split(" (")[0] for command in used.commands}


def test_a_poll_costs_what_it_costs_on_a_server_without_quota(
    server: Dovecot, make_worker: MakeWorker, make_proxy: MakeProxy
) -> None:
    """One command at the first look on a server with QUOTA; none in the polls after it."""
    mailbox = server.mailbox(ADDRESS)
    fill(mailbox, 50)
    with_quota, without = make_proxy(server), make_proxy(server)
    without.without("QUOTA")
    polls = {"poll": {**POLLS, "every": "50ms"}}
    usual = quiet_polls(without, make_worker(without, mailbox=mailbox, settings=polls))
    assert quiet_polls(with_quota, make_worker(with_quota, mailbox=mailbox, settings=polls)) == usual
    assert usual == {"NOOP", f'STATUS "{JUNK}"'}
    asked = [command for command in with_quota.commands if "QUOTA" in command]
    assert asked == ["GETQUOTAROOT INBOX"]
    assert with_quota.traffic.connections == 1


# -- odd answers


OK = "{tag} OK done"
ODD: list[tuple[list[str], Storage | None]] = [
    (['* QUOTAROOT INBOX ""', '* QUOTA "" (STORAGE 10 512)', OK], Storage(10_240, 524_288)),
    (['* QUOTA "" (STORAGE 10 512)', '* QUOTAROOT INBOX ""', OK], Storage(10_240, 524_288)),
    (["* QUOTAROOT INBOX a b", "* QUOTA a (STORAGE 1 2)", "* QUOTA b (STORAGE 9 10)", OK], Storage(9_216, 10_240)),
    (["* QUOTAROOT INBOX a b", "* QUOTA a (STORAGE 1 0)", "* QUOTA b (STORAGE 0 9)", OK], Storage(1_024, None)),
    (['* QUOTAROOT INBOX ""', '* QUOTA "" (MESSAGE 3 10 STORAGE 2 4)', OK], Storage(2_048, 4_096)),
    (["* QUOTAROOT INBOX {4}\r\nro)(", "* QUOTA {4}\r\nro)( (STORAGE 2 4)", OK], Storage(2_048, 4_096)),
    (['* QUOTAROOT INBOX ""', '* QUOTA "" (STORAGE 5 0)', OK], Storage(5_120, None)),
    (['* QUOTAROOT INBOX ""', '* QUOTA "" (MESSAGE 3 10)', OK], None),
    (['* QUOTAROOT INBOX ""', '* QUOTA "" ()', OK], None),
    (["* QUOTAROOT INBOX", OK], None),
    ([OK], None),
    (["{tag} NO no such thing"], None),
    (["{tag} NO [NOPERM] not for you"], None),
    (["{tag} BAD Command Error. 10"], None),
    (['* QUOTAROOT INBOX ""', '* QUOTA "" (STORAGE 5 7)', "{tag} NO all the same"], None),
    (['* QUOTA "" (STORAGE five 7)', OK], None),
    (['* QUOTA "" (STORAGE 5 7', OK], None),
    (['* QUOTA ((((" STORAGE', OK], None),
    (["* QUOTA", OK], None),
    (['* QUOTA "" (STORAGE 99999999999999999999999999 7)', OK], None),
    (['* QUOTA "" (STORAGE 5 7)', "* 4 EXISTS", '* QUOTA "other" (STORAGE 6 7)', OK], Storage(6_144, 7_168)),
]


def test_an_odd_answer_is_understood_or_none_and_costs_no_connection(scripted: Scripted) -> None:
    """All of them on one connection, which is of use after each."""
    asked = answer(r"\w+ CAPABILITY", "* CAPABILITY IMAP4rev1 QUOTA", "{tag} OK done")
    script: list[Step] = [*greeting("IMAP4rev1"), *answer(r"\w+ LOGIN .*", "{tag} OK done"), *asked]
    for lines, _ in ODD:
        script += [*answer(r"\w+ GETQUOTAROOT INBOX", *lines), *answer(r"\w+ NOOP", "{tag} OK done")]
    served = scripted([*script, *answer(r"\w+ LOGOUT", "* BYE", "{tag} OK done")])
    session = Session(Endpoint(served.host, served.port, ca_file=Path(served.ca_file), read_timeout=5.0))
    session.connect()
    session.login(ADDRESS, "Bright-Harbour-92")
    assert session.has("QUOTA")
    try:
        for lines, told in ODD:
            assert session.storage() == told, lines
            session.noop()
    finally:
        session.close()


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{tag} NO [UNAVAILABLE] later", ServerUnavailable),
        ("{tag} NO [LIMIT] Request is throttled. Suggested Backoff Time: 1000 milliseconds", Throttled),
        ("{tag} BAD Request is throttled. Suggested Backoff Time: 1000 milliseconds", Throttled),
    ],
)
def test_a_server_that_asks_for_a_pause_gets_it(authority: Any, line: str, error: type[MailboxError]) -> None:
    asked = answer(r"\w+ CAPABILITY", "* CAPABILITY IMAP4rev1 QUOTA", "{tag} OK done")
    script = [*greeting("IMAP4rev1"), *answer(r"\w+ LOGIN .*", "{tag} OK done"), *asked]
    with ScriptedServer(authority, [*script, *answer(r"\w+ GETQUOTAROOT INBOX", line)]) as served:
        session = Session(Endpoint(served.host, served.port, ca_file=Path(served.ca_file), read_timeout=5.0))
        session.connect()
        session.login(ADDRESS, "Bright-Harbour-92")
        assert session.has("QUOTA")
        with pytest.raises(error):
            session.storage()
        assert not session.is_open
