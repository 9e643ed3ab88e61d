"""Lets the program work on a mailbox over some days of the past, until it is killed, and keeps all that it leaves.

`python -m tests.data.left_behind.write` goes with the program whose leavings are wanted, not with a later one: what is
kept is what that program left. All of it comes from the program itself, save when a dead holder's lease in PostgreSQL
ends, which goes by the server's own clock.
"""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from json import dumps, loads
from pathlib import Path
from typing import Any

import psycopg

from tests.data.left_behind import ADDRESS, HERE, NAMES, PASSWORD, write_secret
from tests.data.left_behind import mails as m
from tests.data.left_behind.mails import MAILS, Mail
from tests.rig.crossings import Point
from tests.rig.daemon import program
from tests.rig.dovecot import JUNK, Dovecot, Mailbox, Seed
from tests.rig.postgres import Postgres
from tests.rig.proxy import Answer, Cut, Proxy, Rewrite
from tests.rig.tls import Authority
from tests.rig.worker import REPOSITORY, eventually

BEGIN = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
WRONG_PASSWORD = "Bright-Harbour-93"
CONFIG = """\
[account]
address = "pathology.results@nhs.net"
host = "localhost"
port = @PORT@
password_file = "@FOLDER@/password"
ca_file = "@FOLDER@/ca.pem"

[state]
dir = "@FOLDER@/state"
ephemeral = true

[poll]
reconnect = ["10ms", "10ms", "10ms"]

[limits]
message = "8kB"
header_bytes = "4kB"
parts = 20

[work]
threads = 8

[health]
listen = "off"

[log]
format = "json"

[junk]
handlers = ["ledger"]
waits = ["10m"]

[junk.kinds]
phishing = ["failing", "ledger"]

[[route]]
name = "fails"
match = { subject = "Fails*" }
handlers = ["archive", "failing", "ledger"]
tries = 2
waits = ["10m"]

[[route]]
name = "refused"
match = { subject = "Refused*" }
handlers = ["refusing", "ledger"]

[[route]]
name = "down"
match = { subject = "Down*" }
handlers = ["archive", "down", "ledger"]
waits = ["10m"]

[[route]]
name = "poison"
match = { subject = "Poison*" }
handlers = ["poison"]

[[route]]
name = "ordered"
match = { subject = "Ordered*" }
handlers = ["archive", "failing", "ledger"]
waits = ["10m"]
order = "sender"

[[route]]
name = "held"
match = { subject = "Held*" }
handlers = ["archive", "held"]

[[route]]
name = "all"
handlers = ["archive", "ledger"]

[handler.archive]
url = "file://@FOLDER@/archive"

[handler.ledger]
use = "tests.rig.handlers:Ledger"
file = "@FOLDER@/ledger"

[handler.held]
use = "tests.rig.handlers:Ledger"
file = "@FOLDER@/ledger"
hold = "@FOLDER@/hold"

[handler.failing]
use = "tests.rig.handlers:Failing"
times = 0

[handler.refusing]
use = "tests.rig.handlers:Failing"
how = "reject"
times = 0

[handler.down]
use = "tests.rig.handlers:Failing"
times = 0
concurrency = 1
pause_after = 2
pauses = ["30m"]

[handler.poison]
use = "tests.rig.handlers:Poison"
"""
IN_THE_PAST = {f"NHSMAIL_HANDLER__{name}__TIMES": "-1" for name in ("FAILING", "REFUSING", "DOWN")}
"""What failed then, and doesn't any more."""
REFUSED = Answer("{tag} NO [CANNOT] Not now.")
HEADERS = r"UID FETCH .*BODY\.PEEK\[HEADER\]"


@dataclass
class Past:
    """A worker and its mailbox; what it is told happens at a time of the past."""

    folder: Path
    box: Mailbox
    authority: Authority
    postgres_url: str | None
    keys: dict[str, str] = field(default_factory=dict)
    """By the mails' names."""
    now: datetime = BEGIN
    _awaited: list[Mail] = field(default_factory=list)
    _last_row: int = 0

    def prepare(self) -> None:
        shutil.copyfile(self.box.ca_file, self.folder / "ca.pem")
        config = self.config.replace("@FOLDER@", str(self.folder)).replace("@PORT@", str(self.box.port))
        self.file.write_text(config)
        write_secret(self.folder / "password", PASSWORD)
        if self.postgres_url is not None:
            write_secret(self.folder / "journal", self.postgres_url)

    @property
    def file(self) -> Path:
        return self.folder / "worker.toml"

    @property
    def config(self) -> str:
        """The file as it is kept, its places left open."""
        where = "" if self.postgres_url is None else 'journal_file = "@FOLDER@/journal"\n'
        return CONFIG.replace("ephemeral = true\n", f"ephemeral = true\n{where}")

    # -- what happens

    def at(self, day: int, hour: int, minute: int = 0) -> None:
        self.now = BEGIN.replace(hour=0) + timedelta(days=day, hours=hour, minutes=minute)

    def deliver(self, *mails: Mail, folder: str = "INBOX") -> list[int]:
        """Put mail into a folder, for the next command to enter in the journal; returns the UIDs."""
        self._awaited += mails
        return self.put(folder, [mail.raw for mail in mails])

    def put(self, folder: str, raws: Sequence[bytes], flags: str = "") -> list[int]:
        self.box.append_many(folder, [Seed(raw, flags, self.now) for raw in raws])
        with self.box.client() as person:
            person.select_folder(folder)
            uids: list[int] = sorted(person.search())
        return uids[-len(raws) :]

    def take_away(self, folder: str, mail: Mail, to: str | None = None) -> None:
        """A person deletes a message, or moves it."""
        with self.box.client() as person:
            person.select_folder(folder)
            uids = person.search(["HEADER", "X-Number", str(mail.number)])
            assert uids, mail
            if to is not None:
                person.move(uids, to)
            else:
                person.delete_messages(uids)
                person.uid_expunge(uids)

    def command(
        self, *arguments: str, deadly: Point | None = None, proxy: Proxy | None = None, **environment: str
    ) -> str:
        """A command to its end; what it said."""
        process = self.start(arguments, environment, deadly=deadly, proxy=proxy)
        out, err = process.communicate(timeout=60)
        killed = process.returncode == -signal.SIGKILL
        assert process.returncode in (0, 1, 69, 75, 77) or killed, (arguments, process.returncode, out, err)
        assert deadly is None or killed, (arguments, out, err)
        self._note(killed=killed)
        return str(out + err)

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        deadly: Point | None = None,
        proxy: Proxy | None = None,
    ) -> "subprocess.Popen[str]":
        job = dumps({"at": self.now.timestamp(), "deadly": deadly})
        past = {name: value for name, value in os.environ.items() if not name.startswith("NHSMAIL_")}
        past |= {**IN_THE_PAST, **environment, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
        if proxy is not None:
            past["NHSMAIL_ACCOUNT__PORT"] = str(proxy.port)
        return subprocess.Popen(
            [sys.executable, "-m", "tests.data.left_behind.earlier", job, *arguments, "--config", str(self.file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=past,
            cwd=self.folder,
        )

    def until(
        self, happened: Callable[[], object], *arguments: str, strike: signal.Signals, **environment: str
    ) -> None:
        """A command until something has happened; then it is struck."""
        process = self.start(arguments, environment)
        try:
            eventually(lambda: happened() or process.poll() is not None)
        finally:
            process.send_signal(strike)
            out, err = process.communicate(timeout=60)
        assert happened(), (out, err)
        self._note(killed=strike is signal.SIGKILL)

    @contextmanager
    def between(self) -> Iterator[Proxy]:
        """A proxy between the worker and the server."""
        with Proxy(self.authority, (self.box.host, self.box.port)) as proxy:
            yield proxy

    # -- what the journal says

    def rows(self, query: str) -> list[Any]:
        if self.postgres_url is None:
            file = self.folder / "state" / "journal.sqlite"
            if not file.exists():
                return []
            with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
                return connection.execute(query).fetchall()
        with psycopg.connect(self.postgres_url.replace("+psycopg", "")) as server:
            return server.execute(query.encode()).fetchall()

    def says(self, query: str) -> Any:
        """One value; None where there is no such row."""
        found = self.rows(query)
        return found[0][0] if found else None

    def states(self) -> dict[str, tuple[str, str | None]]:
        """State and reason of each message, by its key."""
        return {key: (state, reason) for key, state, reason in self.rows("SELECT key, state, reason FROM message")}

    def _note(self, *, killed: bool) -> None:
        """Take the keys of what was entered; its order is that of the deliveries."""
        if killed and self.postgres_url is not None:
            self._expire(0.0)
        new = [row for row in self.rows("SELECT id, key FROM message ORDER BY id") if row[0] > self._last_row]
        for (row, key), mail in zip(new, self._awaited[: len(new)], strict=True):
            self.keys[mail.name] = key
            self._last_row = row
        del self._awaited[: len(new)]

    def _expire(self, at: float) -> None:
        """A dead holder's lease in PostgreSQL runs by the server's clock: let it be over."""
        assert self.postgres_url is not None
        with psycopg.connect(self.postgres_url.replace("+psycopg", "")) as server:
            server.execute("UPDATE lease SET expires_at = %s", (at,))


# -- the days ----------------------------------------------------------------------------------------------------------


def live(past: Past) -> None:
    """All of it."""
    begin(past)
    grow_old(past)
    work(past)
    give_up(past)
    ask(past)
    fail(past)
    die(past)
    stand_still(past)


def begin(past: Past) -> None:
    """A mailbox that an earlier journal knew."""
    past.deliver(m.REBUILT_JUNK, folder=JUNK)
    past.deliver(m.REBUILT, folder="Processed")
    past.deliver(m.REBUILT_DEAD, folder="Failed")
    past.command("journal", "rebuild")
    past.at(0, 11)
    past.deliver(m.COMPACTED, m.DELETED)
    past.command("once")


def grow_old(past: Past) -> None:
    """Rows are compacted, and handled mail is deleted."""
    past.at(9, 9)
    past.take_away("Processed", m.COMPACTED)
    for _ in range(2):
        said = past.command("journal", "compact", NHSMAIL_STATE__KEEP="5d")
    assert said.startswith("1 row"), said
    for day, hour in ((10, 0), (10, 20), (11, 10)):
        past.at(day, hour)
        look_at_the_clock(past)
    assert past.says("SELECT count(*) FROM message WHERE reason = 'deleted'") == 1


def look_at_the_clock(past: Past) -> None:
    """`run` deletes what is old once the clock has gone on evenly for a day, and remembers when it looked."""
    clock = "SELECT value FROM fact WHERE name = 'kept.clock'"
    polled = "SELECT value FROM fact WHERE name = 'last_poll'"
    before = (past.says(clock), past.says(polled))

    def done() -> bool:
        now = (past.says(clock), past.says(polled))
        return all(one != other for one, other in zip(now, before, strict=True))

    past.until(done, "run", strike=signal.SIGTERM, NHSMAIL_SETTLE__DELETE_HANDLED_AFTER="3d")


def work(past: Past) -> None:
    """A morning's mail."""
    past.at(12, 8)
    past.deliver(m.HANDLED, m.TWIN, m.OTHER_TWIN, m.FILED, m.JUNK_BY_HEADER, m.RELEASED, m.REVIEWED)
    past.deliver(m.REFUSED, m.UNPARSED, m.OVERSIZE, m.GIVEN_UP, m.RETRIED_WAITS, m.RELEASED_WAITS)
    past.deliver(m.RELEASE_ASKED, m.RETRY_ASKED)
    past.deliver(m.JUNK_BY_PLACE, folder=JUNK)
    past.command("once")
    past.at(12, 8, 15)
    past.command("once")
    past.at(12, 8, 20)
    past.deliver(m.NOT_TOLD)
    with past.between() as proxy:
        proxy.without("UIDPLUS")
        past.command("once", proxy=proxy)


def give_up(past: Past) -> None:
    """A message kills each process that handles it, until it is a dead letter."""
    past.deliver(m.POISON)
    for minute in range(21, 26):
        past.at(12, 8, minute)
        past.command("once")
    assert past.states()[past.keys[m.POISON.name]] == ("failed", "poison")


def ask(past: Past) -> None:
    """People look at junk, release, retry, file and take away."""
    past.at(12, 8, 30)
    with past.box.client() as person:
        person.create_folder("Filed")
    past.take_away("Processed", m.FILED, to="Filed")
    past.command("junk", "show", past.keys[m.REVIEWED.name])
    released = [past.keys[mail.name] for mail in (m.RELEASED, m.RELEASED_WAITS)]
    past.command("junk", "release", *released, "--reason", "known to us")
    past.command("failed", "retry", past.keys[m.RETRIED_WAITS.name], "--reason", "repaired")
    past.at(12, 8, 41)
    past.deliver(m.GONE)
    past.command("once")
    past.at(12, 8, 43)
    past.take_away("INBOX", m.GONE)
    past.command("once")


def fail(past: Past) -> None:
    """Handlers fail, and the server shows nothing, something else, or nothing any more."""
    past.at(12, 8, 44)
    past.deliver(m.FAILED_ONCE, m.FAILED_JUNK, m.FIRST_OF_SENDER, m.NEXT_OF_SENDER)
    not_ready, _, _, broken = past.deliver(m.NOT_READY, _stood_in_for(), m.STAND_IN, m.BROKE_OFF)
    with past.between() as proxy:
        proxy.on(r"UID FETCH \d+[:,].*BODY\.PEEK\[\]", Cut(), times=1)
        proxy.on(rf"UID FETCH {broken} \(BODY\.PEEK\[\]", Cut(), times=None)
        proxy.on(rf"UID FETCH {not_ready} \(BODY\.PEEK\[\]", Answer("{tag} OK Fetch completed."), times=None)
        past.command("once", proxy=proxy)


def _stood_in_for() -> Mail:
    return Mail(m.STOOD_IN_FOR.number, m.STOOD_IN_FOR.name, m.in_its_place(m.STOOD_IN_FOR.number))


def die(past: Past) -> None:
    """Three processes die: with several messages in hand, and twice with one alone."""
    past.at(12, 8, 45)
    past.deliver(m.SUSPECT, m.UNSETTLED, m.ALONE, m.IN_HAND, *m.TARGET_DOWN)
    past.deliver(m.MOVED, m.UNSETTLED_JUNK, m.UNSETTLED_DEAD)
    hold = past.folder / "hold"
    hold.touch()
    waiting = "SELECT count(*) FROM message WHERE outcome_at IS NOT NULL AND settled_at IS NULL"
    down = "SELECT count(*) FROM message WHERE reason LIKE '%down%' AND in_hand IS NULL"
    past.until(lambda: (past.says(waiting), past.says(down)) == (3, 4), "once", strike=signal.SIGKILL)
    hold.unlink()
    with past.between() as proxy:
        proxy.on("UID MOVE", REFUSED, times=None)
        past.at(12, 8, 46)
        past.command("once", proxy=proxy, deadly=("handler held", "before", 0))
        past.at(12, 8, 47)
        shown, *_ = past.deliver(m.NEVER_TRIED, m.HEADER_LATE, m.NO_HEADER)
        proxy.on(HEADERS, Rewrite(lambda command: re.sub(r"FETCH \S+", f"FETCH {shown}", command)), times=None)
        past.command("once", proxy=proxy, deadly=("handler held", "before", 1))
    past.take_away("INBOX", m.MOVED, to="Processed")
    past.put("INBOX", [m.UNSEEN.raw], "SF")


def stand_still(past: Past) -> None:
    """A person pauses the worker and asks for this and that; then the password is a wrong one."""
    past.at(12, 8, 57)
    past.command("pause")
    past.command("junk", "release", past.keys[m.RELEASE_ASKED.name], "--reason", "expected by the ward")
    past.command("failed", "retry", past.keys[m.RETRY_ASKED.name], "--reason", "repaired")
    write_secret(past.folder / "password", WRONG_PASSWORD)
    past.at(12, 9, 30)
    past.command("check", "--connect")
    past.at(12, 13)
    past.command("check", "--connect")
    past.at(13, 3)
    past.command("check", "--connect", deadly=("imap LOGIN", "sent", 0))


# -- what is kept ------------------------------------------------------------------------------------------------------


def keep(past: Past, to: Path) -> None:
    """Put it all where the test finds it."""
    check_numbers(past)
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    (to / "worker.toml").write_text(past.config)
    kept = shutil.ignore_patterns("journal.sqlite-shm")
    shutil.copytree(past.folder / "state", to / "state", ignore=kept)
    shutil.copytree(past.folder / "archive", to / "archive")
    shutil.copyfile(past.folder / "ledger", to / "ledger")
    (to / "mailbox.json").write_text(dumps(mailbox_of(past.box), indent=1) + "\n")
    if past.postgres_url is not None:
        past._expire((past.now + timedelta(seconds=20)).timestamp())
        (to / "journal.sql").write_text(dumped(past.postgres_url))
    (to / "expected.json").write_text(dumps(expected(past), indent=1) + "\n")


def check_numbers(past: Past) -> None:
    """The ledger tells numbers with keys: these must be those that we took for them."""
    names = {key: name for name, key in past.keys.items()}
    numbers = {mail.name: mail.number for mail in MAILS}
    for line in map(loads, (past.folder / "ledger").read_text().splitlines()):
        assert numbers[names[line["key"]]] == line["number"], line


def mailbox_of(box: Mailbox) -> dict[str, Any]:
    """Each folder's numbers and messages. By now the server shows what a stand-in stood for."""
    with box.client() as person:
        return {name: _folder_of(person, name) for name in sorted(name for _, _, name in person.list_folders())}


def _folder_of(person: Any, name: str) -> dict[str, Any]:
    selected = person.select_folder(name, readonly=True)
    uids = person.search()
    found = person.fetch(uids, ["FLAGS", "INTERNALDATE", "BODY.PEEK[]"]) if uids else {}
    instead = {m.in_its_place(m.STOOD_IN_FOR.number): m.STOOD_IN_FOR.raw}
    return {
        "uidvalidity": selected[b"UIDVALIDITY"],
        "uidnext": selected[b"UIDNEXT"],
        "messages": [
            {
                "uid": uid,
                "flags": [flag for flag in NAMES if b"\\" + flag.capitalize().encode() in item[b"FLAGS"]],
                "received_at": item[b"INTERNALDATE"].astimezone(UTC).isoformat(),
                "raw": instead.get(item[b"BODY[]"], item[b"BODY[]"]).decode("latin-1"),
            }
            for uid, item in sorted(found.items())
        ],
    }


def dumped(url: str) -> str:
    """The database as statements that any version of the server takes."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    dump = [program("pg_dump", "postgresql", *map(str, folders)), url.replace("+psycopg", "")]
    said = subprocess.run(
        [*dump, "--inserts", "--no-owner", "--no-privileges"], check=True, capture_output=True, text=True
    ).stdout
    lines = [line for line in said.splitlines() if line and not line.startswith(("--", "SET ", "\\"))]
    return "\n".join(lines) + "\n"


def expected(past: Past) -> dict[str, Any]:
    """What the program says of it now, and what each message is to come to."""
    status = loads(past.command("status", "--json"))
    return {
        "before": {"messages": status["messages"], "login": status["login"], "paused": status["paused"]},
        "messages": [_expected(mail, past.keys.get(mail.name), past.states()) for mail in MAILS],
    }


def _expected(mail: Mail, key: str | None, states: Mapping[str, tuple[str, str | None]]) -> dict[str, Any]:
    state, _ = states.get(key or "", (None, None))
    return {
        "number": mail.number,
        "name": mail.name,
        "key": key,
        "row": state is not None,
        "before": state,
        "after": mail.after,
        "reason": mail.reason,
        "folder": mail.folder,
        "calls": mail.calls,
    }


def main() -> None:
    """Make both kinds."""
    with tempfile.TemporaryDirectory() as place, Postgres() as postgres:
        authority = Authority(Path(place) / "ca")
        for kind, url in (("sqlite", None), ("postgresql", postgres.fresh_url())):
            folder = Path(place) / kind
            folder.mkdir()
            with Dovecot({ADDRESS: PASSWORD}, authority=authority) as server:
                past = Past(folder, server.mailbox(ADDRESS), authority, url)
                past.prepare()
                live(past)
                keep(past, HERE / kind)


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s")  # noqa: T201 -- for whoever waits
