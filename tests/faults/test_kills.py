"""The fault matrix: the process is killed before and after every write, command, call and step onto the disk.

It is generated: a first run, killed nowhere, tells which points there are; then each of them has a mailbox of its own,
in which the worker is killed at that point and started again until all is done.
"""

import json
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.rig.crossings import Point, points
from tests.rig.doomed import Doomed, End
from tests.rig.dovecot import JUNK, Dovecot, Mailbox
from tests.rig.letters import letter, spam
from tests.rig.messages import eml
from tests.rig.postgres import Postgres
from tests.rig.worker import Worker, worker_for
from worker.journal.database import Database, JournalUnavailable

PASSWORD = "Bright-Harbour-92"
RUNS = 12
FAILS = letter(5).replace(b"Subject: Report", b"Subject: Fails")
REFUSED = letter(6).replace(b"Subject: Report", b"Subject: Refused")
REPORT = eml(1).replace(b"\n", b"\r\n")
INBOX = (REPORT, letter(2), REPORT, spam(3), FAILS, REFUSED, letter(7, size=60_000))
IN_JUNK = (letter(4),)
END = {
    "INBOX": (),
    "Processed": (REPORT, letter(2), REPORT),
    "Failed": (FAILS, REFUSED, letter(7, size=60_000)),
    JUNK: (spam(3), letter(4)),
}
ARCHIVED = (REPORT, letter(2), REPORT, FAILS)
ROUTES: list[dict[str, Any]] = [
    {
        "name": "fails",
        "match": {"subject": "Fails*"},
        "handlers": ["archive", "failing"],
        "tries": 2,
        "waits": ["10ms"],
    },
    {"name": "refused", "match": {"subject": "Refused*"}, "handlers": ["refusing"]},
    {"name": "all", "handlers": ["archive", "ledger"]},
]
SETTINGS: dict[str, dict[str, Any]] = {
    "lockout": {"waits": ["10ms"], "jitter": 0.0},
    "limits": {"message": "50kB", "header_bytes": "20kB"},
    "work": {"threads": 1},
    "poll": {"batch_count": 2},
    "junk": {"handlers": ["ledger"]},
    "handler.failing": {"use": "tests.rig.handlers:Failing"},
    "handler.refusing": {"use": "tests.rig.handlers:Failing", "how": "reject"},
}
_numbers = count(1)  # no mailbox is used twice, whichever test made it
Run = tuple[int, Point]
"""Which run of the worker is killed, and where."""


@dataclass(frozen=True)
class Came:
    """What a kill at a point came to."""

    run: Run
    reached: bool
    runs: int
    again: int
    """Handler calls more than there would be without a kill."""
    faults: tuple[str, ...]


@dataclass
class Matrix:
    """One journal's matrix."""

    server: Dovecot
    folder: Path
    journal: Callable[[], str | None]

    def enumerate(self) -> list[Run]:
        """Every point of the runs that it takes without a kill."""
        worker, box = self._mailbox()
        found: list[Run] = []
        with Doomed() as doomed:
            for number in range(RUNS):
                end = doomed.run("once", "--config", str(worker.config))
                found += [(number, point) for point in points(end.passed)]
                if end.code != 75:
                    break
                time.sleep(0.02)
        assert not self._faults(worker, box), end.log
        return found

    def try_all(self, runs: list[Run], threads: int = 2) -> list[Came]:
        waiting: queue.SimpleQueue[Run] = queue.SimpleQueue()
        for run in runs:
            waiting.put(run)
        came: list[Came] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                with Doomed() as doomed:
                    while not errors:
                        came.append(self._kill(doomed, waiting.get_nowait()))
            except queue.Empty:
                pass
            except BaseException as error:  # noqa: BLE001 -- told in the test's own thread
                errors.append(error)

        workers = [threading.Thread(target=work) for _ in range(threads)]
        for thread in workers:
            thread.start()
        for thread in workers:
            thread.join()
        if errors:
            raise errors[0]
        return sorted(came, key=lambda item: item.run)

    def _kill(self, doomed: Doomed, run: Run) -> Came:
        worker, box = self._mailbox()
        number, point = run
        command = ("once", "--config", str(worker.config))
        for _ in range(number):
            doomed.run(*command)
            time.sleep(0.02)
        reached = doomed.run(*command, deadly=point).killed
        done, called = _recorded(worker), _calls(worker)
        faults: list[str] = []
        runs, end = 0, End(75, "", "", [])
        while end.code == 75 and runs < RUNS:
            runs += 1
            _pass_time(worker)
            end = doomed.run(*command)
            time.sleep(0.02)
        if end.code not in (0, 1):
            faults.append(f"exit code {end.code}: {end.log[-400:]}")
        faults += [f"{key} was handed over again" for key in done if _calls(worker)[key] != called[key]]
        faults += self._faults(worker, box)
        balance = doomed.run("reconcile", "--json", "--config", str(worker.config))
        if balance.code or json.loads(balance.out)["missing"] or json.loads(balance.out)["seen"] != 8:
            faults.append(f"reconcile: {balance.out}{balance.log}")
        again = sum(_calls(worker).values()) - 5
        return Came(run, reached, runs, again, tuple(faults))

    def _mailbox(self) -> tuple[Worker, Mailbox]:
        number = next(_numbers)
        box = self.server.add_user(f"matrix.{self.folder.name}.{number}@nhs.net", PASSWORD)
        box.append_many("INBOX", INBOX)
        box.append_many(JUNK, IN_JUNK)
        folder = self.folder / str(number)
        folder.mkdir()
        journal = self.journal()
        state: dict[str, dict[str, Any]] = (
            {} if journal is None else {"state": {"journal_file": str(_secret(folder / "journal", journal))}}
        )
        return worker_for(folder, box, box, [dict(route) for route in ROUTES], {**SETTINGS, **state}), box

    def _faults(self, worker: Worker, box: Mailbox) -> list[str]:
        """What isn't as it has to be in the end."""
        found: list[str] = []
        for folder, wanted in END.items():
            found += _differences(folder, box.stored(folder), wanted)
        found += _differences("the archive", worker.archived(), ARCHIVED)
        left = list((worker.archive / ".partial").iterdir())
        return found + [f"{path.name} is left half written" for path in left]


def _differences(place: str, there: list[bytes], wanted: tuple[bytes, ...]) -> list[str]:
    found, expected = Counter(there), Counter(wanted)
    lost, twice = (expected - found).total(), (found - expected).total()
    return [f"{lost} lost from {place}"] * bool(lost) + [f"{twice} too many in {place}"] * bool(twice)


def _recorded(worker: Worker) -> set[str]:
    """The messages whose outcome the journal holds."""
    database = _database(worker)
    try:
        with database.read() as connection:
            return set(connection.execute(text("SELECT key FROM message WHERE outcome_at IS NOT NULL")).scalars())
    except JournalUnavailable:
        return set()  # killed before there was such a table
    finally:
        database.close()


def _calls(worker: Worker) -> Counter[str]:
    lines = worker.ledger.read_text().splitlines() if worker.ledger.exists() else []
    return Counter(line["key"] for line in map(json.loads, lines) if not line["done"])


def _pass_time(worker: Worker) -> None:
    """A lease in a database outlives its dead holder for 20 s: let them have passed."""
    database = _database(worker)
    if not database.is_sqlite:
        with database.write() as connection:
            if connection.execute(text("SELECT to_regclass('lease')")).scalar() is not None:
                connection.execute(text("UPDATE lease SET expires_at = 0"))
    database.close()


def _database(worker: Worker) -> Database:
    file = worker.settings["state"].get("journal_file")
    return Database(f"sqlite:///{worker.state / 'journal.sqlite'}" if file is None else Path(file).read_text())


def _secret(path: Path, content: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(content)
    return path


def table(came: list[Came]) -> str:
    """Points by kind and side: how many, how often reached, what was lost or double, what was handed over twice."""
    groups: dict[tuple[str, str], list[Came]] = {}
    for item in came:
        _, (place, side, _) = item.run
        groups.setdefault((place, side), []).append(item)
    lines = [f"{'point':<42}{'side':<8}{'points':>7}{'killed':>7}{'lost':>6}{'double':>7}{'called again':>13}"]
    for (place, side), items in sorted(groups.items()):
        faults = [fault for item in items for fault in item.faults]
        lost = sum("lost" in fault for fault in faults)
        lines.append(
            f"{place:<42}{side:<8}{len(items):>7}{sum(item.reached for item in items):>7}{lost:>6}"
            f"{len(faults) - lost:>7}{sum(item.again for item in items):>13}"
        )
    total = [sum(item.reached for item in came), sum(len(item.faults) for item in came)]
    lines.append(f"{'all':<50}{len(came):>7}{total[0]:>7}   faults: {total[1]}")
    return "\n".join(lines)


def judge(came: list[Came]) -> None:
    print("\n" + table(came))  # noqa: T201 -- the figures
    report = os.environ.get("FAULT_MATRIX_FILE")
    if report:
        Path(report).write_text(table(came) + "\n")
    faults = [(item.run, item.faults) for item in came if item.faults]
    assert not faults, faults
    # How many outcomes go into one write depends on how quick the handlers are; a few points may not come up again.
    assert sum(not item.reached for item in came) <= len(came) // 10


@pytest.fixture(params=["sqlite", "postgresql"])
def matrix(request: pytest.FixtureRequest, dovecot_server: Dovecot, tmp_path: Path) -> Matrix:
    journal: Callable[[], str | None] = _in_the_state_folder
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        journal = server.fresh_url
    folder = tmp_path / str(request.param)
    folder.mkdir()
    return Matrix(dovecot_server, folder, journal)


def _in_the_state_folder() -> None:
    return None


SAMPLE = (
    ("imap UID MOVE", "sent"),
    ("imap UID MOVE", "after"),
    ("in flight FETCH", "before"),
    ("in flight MOVE", "before"),
    ("journal Tries.record", "before"),
    ("journal Tries.record", "after"),
    ("archive place", "after"),
    ("imap LOGIN", "sent"),
)

WITHOUT_MOVE = (
    "imap UID COPY",
    "imap UID STORE",
    "imap UID EXPUNGE",
    "journal Tries.record",
    "journal Places.settled",
)


@pytest.mark.slow
def test_a_sample_of_the_matrix(matrix: Matrix) -> None:
    found = matrix.enumerate()
    first = [next(run for run in found if run[1][:2] == kind) for kind in SAMPLE]
    judge(matrix.try_all(first))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_matrix(matrix: Matrix) -> None:
    judge(matrix.try_all(matrix.enumerate()))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_matrix_of_moves_on_a_server_without_move(make_dovecot: Callable[..., Dovecot], tmp_path: Path) -> None:
    """COPY, the mark, EXPUNGE, and what is written between them."""
    matrix = Matrix(make_dovecot(without=("MOVE",)), tmp_path, _in_the_state_folder)
    found = [run for run in matrix.enumerate() if run[1][0] in WITHOUT_MOVE]
    assert {point[0] for _, point in found} == set(WITHOUT_MOVE)
    judge(matrix.try_all(found))
