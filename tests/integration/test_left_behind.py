"""What an earlier version left behind is opened and drained: nothing is lost, nothing is done twice.

Only the command line, the files, SQL and the rig are spoken to, so that the test holds for whatever the code becomes.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.data.left_behind import ADDRESS, PASSWORD, STAY, LeftBehind, stay
from tests.rig.dovecot import Dovecot, Mailbox
from tests.rig.postgres import Postgres
from tests.rig.worker import Answer, Worker, keep_logs_apart

STATES = ("pending", "handled", "junk", "failed", "gone")
ATTEMPTS = ("failures", "remaining", "remaining_for_credential")
UNSEEN = 3
"""Messages in the mailbox that the journal has no row of yet."""
HALTED, NOT_NOW, FINDING, DONE = 77, 75, 1, 0


@dataclass(frozen=True)
class Restored:
    """A copy of what was left behind, beside a mailbox that is as it was."""

    left: LeftBehind
    worker: Worker
    box: Mailbox
    dsn: str | None

    def rows(self, query: str) -> list[Any]:
        if self.dsn is None:
            return self.worker.rows(query)
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query.encode()).fetchall()

    def has(self, rows: str) -> bool:
        return bool(self.rows(f"SELECT 1 FROM {rows}"))  # noqa: S608 -- our own words

    def stay(self) -> None:
        """It was never moved: the very disk, the very database."""
        stay(self.worker.state)
        if self.dsn is not None:
            with psycopg.connect(self.dsn) as connection:
                connection.execute(STAY)

    def installed(self, *arguments: str, code: int = DONE) -> str:
        return _expected(self.worker.installed(*arguments), code)

    def runs(self, *arguments: str, code: int = DONE) -> str:
        """In this process, where a command takes less time."""
        return _expected(self.worker.command(*arguments), code)

    def says(self, *arguments: str) -> Any:
        return json.loads(self.runs(*arguments, "--json"))


def _expected(answer: Answer, code: int) -> str:
    assert answer.code == code, answer
    return answer.out


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def restored(
    request: pytest.FixtureRequest,
    make_dovecot: Callable[..., Dovecot],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Restored]:
    left = LeftBehind(str(request.param))
    url = dsn = None
    if left.kind == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        url = server.fresh_url()
        dsn = url.replace("+psycopg", "")
        with psycopg.connect(dsn) as connection:
            connection.execute(left.journal.encode())
    box = make_dovecot(users={ADDRESS: PASSWORD}).mailbox(ADDRESS)
    for name, kept in left.mailbox().items():
        box.put_back(name, kept)
    folder = tmp_path / "worker"
    folder.mkdir()
    left.put(folder, port=box.port, ca_file=box.ca_file, journal_url=url)
    for name in [name for name in os.environ if name.startswith("NHSMAIL_")]:
        monkeypatch.delenv(name)
    with keep_logs_apart(monkeypatch, tmp_path):
        yield Restored(left, Worker(folder, {}), box, dsn)


def test_it_is_opened_and_drained(restored: Restored) -> None:
    said, messages = restored.left.expected["before"], restored.left.expected["messages"]
    archived = files_of(restored.worker.archive)
    called = restored.worker.ledger.read_text()
    restored.stay()

    status = json.loads(restored.installed("status", "--json"))
    assert (status["paused"], of_states(status["messages"])) == (True, of_states(said["messages"]))
    login = restored.says("login", "status")
    assert {name: login[name] for name in ATTEMPTS} == {name: said["login"][name] for name in ATTEMPTS}
    assert login["failures"] == 3
    balance = json.loads(restored.installed("reconcile", "--json"))
    known = of_states(said["messages"])
    assert of_states(balance) == {**known, "pending": known["pending"] + UNSEEN}
    assert (balance["unaccounted"], balance["missing"]) == (0, 1)

    restored.runs("once", code=NOT_NOW)
    assert restored.worker.ledger.read_text() == called
    alone = next(message["key"] for message in messages if message["name"] == "alone in hand")
    assert (alone, 1) in restored.rows("SELECT key, deaths FROM message"), "a death with it alone in hand is counted"
    restored.runs("resume")
    restored.installed("once", code=FINDING)

    ends = dict.fromkeys(STATES, 0) | Counter(message["after"] for message in messages)
    assert of_states(restored.says("status")["messages"]) == ends
    balance = restored.says("reconcile")
    assert of_states(balance) == ends
    assert (balance["unaccounted"], balance["missing"]) == (0, 1)
    assert restored.says("login", "status")["failures"] == 0
    restored.runs("audit", "verify")
    check_rows(restored, messages)
    check_mailbox(restored.box, messages)
    check_calls(restored.worker, messages, called)
    assert archived.items() <= files_of(restored.worker.archive).items()


def test_a_restored_backup_logs_in_once_a_person_says_that_it_may(restored: Restored) -> None:
    """A copy may have forgotten attempts: those that it knows are told, and none is made."""
    assert restored.says("login", "status")["failures"] == 3
    restored.runs("reconcile", code=HALTED)
    found = restored.says("login", "status")
    assert (found["state"], found["reason"], found["failures"]) == ("halted", "journal", 3)
    assert restored.box.history == []

    restored.runs("login", "reset", "--reason", "unlocked by the Local Administrator")
    assert restored.says("reconcile")["unaccounted"] == 0
    assert restored.box.history == ["ok"]


def test_another_uidvalidity_hands_nothing_over_again_where_handled_mail_stays(restored: Restored) -> None:
    """What the earlier version handled lies in a watched folder that gets a new UIDVALIDITY, twice."""
    done = {key for (key,) in restored.rows("SELECT key FROM message WHERE state = 'handled' AND reason IS NULL")}
    called = restored.worker.ledger.read_text()
    config = restored.worker.config
    config.write_text(
        config.read_text().replace("[poll]", '[settle]\nhandled = "keep"\n\n[poll]\nfolders = ["INBOX", "Processed"]')
    )
    restored.stay()
    restored.box.renumber("Processed")
    restored.runs("resume")
    restored.installed("once", code=FINDING)
    restored.box.renumber("Processed")
    restored.runs("once")

    now = {key for (key,) in restored.rows("SELECT key FROM message WHERE state = 'handled'")}
    assert done <= now
    since = restored.worker.ledger.read_text().removeprefix(called)
    assert done
    assert not [key for key in done if f'"{key}"' in since], "handed over again"
    there = {number_of(raw) for raw in restored.box.stored("Processed")}
    assert there, "there was something to hand over"
    assert restored.says("reconcile")["unaccounted"] == 0


def of_states(counts: dict[str, int]) -> dict[str, int]:
    return {state: counts[state] for state in STATES}


def check_rows(restored: Restored, expected: list[Any]) -> None:
    """Each message has the key that it had, and the outcome that was to come; what had no row has one now."""
    rows = {key: (state, reason) for key, state, reason in restored.rows("SELECT key, state, reason FROM message")}
    known = {m["key"]: (m["after"], m["reason"]) for m in expected if m["row"]}
    assert {key: rows.pop(key, None) for key in known} == known
    new = [(m["after"], m["reason"]) for m in expected if m["key"] is None]
    assert Counter(rows.values()) == Counter(new)
    assert len(new) == UNSEEN


def check_mailbox(box: Mailbox, expected: list[Any]) -> None:
    """Each message lies once, where it belongs."""
    folders = {m["folder"] for m in expected if m["folder"]} | {"INBOX"}
    there = Counter((folder, number_of(raw)) for folder in folders for raw in box.stored(folder))
    assert there == Counter((m["folder"], m["number"]) for m in expected if m["folder"])


def check_calls(worker: Worker, expected: list[Any], before: str) -> None:
    """The handler had what it was to have, as often as that; and what it had had, it didn't get again."""
    assert worker.ledger.read_text().startswith(before)
    numbers = Counter(call.number for call in worker.handed())
    wanted = Counter[int]()
    for message in expected:
        wanted[message["number"]] += message["calls"]
    assert numbers == +wanted
    keys = {call.key: call.number for call in worker.handed()}
    assert {key: number for key, number in keys.items() if key in {m["key"] for m in expected}} == {
        m["key"]: m["number"] for m in expected if m["key"] and m["calls"]
    }
    order = [call.number for call in worker.handed()]
    first, second = (m["number"] for m in expected if "of its sender" in m["name"])
    assert order.index(first) < order.index(second)


def number_of(raw: bytes) -> int:
    head = raw.partition(b"\r\n\r\n")[0]
    return next((int(line[10:]) for line in head.split(b"\r\n") if line.startswith(b"X-Number: ")), 0)


def files_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its content and the time of its last change; what was half written may go."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and ".partial" not in path.parts
    }


def test_the_data_holds_every_state(restored: Restored) -> None:
    """Else the tests above prove less than they say."""
    whole = {
        "pending and never tried": "state = 'pending' AND tries = 0 AND reason IS NULL AND next_at IS NULL",
        "failed, with a next try": "state = 'pending' AND tries > 0 AND reason LIKE '%:ValueError' AND next_at > 0",
        "in hand, alone": "in_hand LIKE 'alone %'",
        "in hand": "in_hand LIKE 'worker-1:%'",
        "suspect after a death": "in_hand = 'suspect' AND deaths = 1",
        "paused": "state = 'pending' AND reason LIKE 'paused:%'",
        "its sender's turn isn't yet": "state = 'pending' AND tries = 0 AND reason IS NULL AND next_at > 0",
        "a stand-in": "state = 'pending' AND reason LIKE 'stand-in:%' AND waiting_since > 0",
        "not ready": "state = 'pending' AND reason = 'not-ready' AND waiting_since > 0",
        "broke off": "state = 'pending' AND reason = 'fetch-broken' AND waiting_since > 0",
        "handled": "state = 'handled' AND settled_at > 0 AND uid > 0",
        "handled, not settled": "state = 'handled' AND settled_at IS NULL",
        "handled, somewhere in the folder": "state = 'handled' AND settled_at > 0 AND uid IS NULL AND reason IS NULL",
        "handled, and deleted": "state = 'handled' AND reason = 'deleted'",
        "junk": "state = 'junk' AND settled_at > 0 AND settle_to IS NOT NULL",
        "junk, in its folder": "state = 'junk' AND settled_at > 0 AND settle_to IS NULL",
        "junk, not settled": "state = 'junk' AND settled_at IS NULL",
        "junk, looked at": "state = 'junk' AND reviewed_at > 0",
        "failed, not settled": "state = 'failed' AND settled_at IS NULL",
        "gone": "state = 'gone'",
        "released, handled": "state = 'handled' AND released_at > 0",
        "released, pending": "state = 'pending' AND released_at > 0",
        "a look-alike": "key LIKE '%-2'",
        **{
            reason: f"state = 'failed' AND reason LIKE '{reason}'"
            for reason in ("refusing:Reject", "unparsed:%", "oversize", "failing:ValueError", "poison", "rebuilt")
        },
    }
    assert [name for name, where in whole.items() if not restored.has(f"message WHERE {where}")] == []
    others = {
        "handlers done": "delivery JOIN message ON id = message_id WHERE state = 'pending' AND done_at > 0",
        "handlers that failed": "delivery WHERE done_at IS NULL AND delivery.tries > 0",
        "headers waited for": "headerless",
        "a release asked for": "intent WHERE kind = 'release' AND done_at IS NULL",
        "a retry asked for": "intent WHERE kind = 'retry' AND done_at IS NULL",
        "compacted": "tally",
        "a dead holder": "lease",
        "known senders": "known_sender",
        "an attempt without an answer": "attempt WHERE outcome IS NULL AND counts",
        "a password that got in": "credential WHERE accepted > 0",
        "a password that never did": "credential WHERE accepted IS NULL",
        "a pause": "fact WHERE name = 'paused'",
    }
    assert [name for name, rows in others.items() if not restored.has(rows)] == []
