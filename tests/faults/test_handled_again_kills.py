"""A message that is to be handled again, with the process killed at each write, command and step onto the disk."""

import time
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.rig.crossings import Point, points
from tests.rig.doomed import Doomed
from tests.rig.dovecot import Dovecot, Mailbox
from tests.rig.letters import letter
from tests.rig.worker import Worker, worker_for

PASSWORD = "Bright-Harbour-92"
RUNS = 12
PARTS = 4
HANDLE, ONCE = 0, 1
Kill = tuple[int, Point]
"""Which of the two commands is killed, and where."""


class Ward:
    """Each kill has a mailbox of its own, with one message that was handled."""

    def __init__(self, server: Dovecot, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._numbers = count(1)

    def enumerate(self) -> list[Kill]:
        """Every point of `handle` and of the run after it."""
        with Doomed() as doomed:
            worker, box, commands = self._handled(doomed)
            ends = [doomed.run(*command) for command in commands]
            assert [end.code for end in ends] == [0, 0], ends
            assert self._faults(doomed, worker, box) == []
        return [(command, point) for command, end in enumerate(ends) for point in points(end.passed)]

    def faults(self, doomed: Doomed, kill: Kill) -> list[str]:
        """What isn't as it has to be after this kill."""
        worker, box, commands = self._handled(doomed)
        command, point = kill
        for number in range(command):
            doomed.run(*commands[number])
        doomed.run(*commands[command], deadly=point)
        asked = worker.rows("SELECT count(*) FROM intent") != [(0,)]
        if not asked:  # the person saw no answer, and asks again
            doomed.run(*commands[HANDLE])
        for _ in range(RUNS):
            if doomed.run(*commands[ONCE]).code != 75:
                break
            time.sleep(0.02)
        return self._faults(doomed, worker, box)

    def _handled(self, doomed: Doomed) -> tuple[Worker, Mailbox, list[tuple[str, ...]]]:
        number = next(self._numbers)
        box = self._server.add_user(f"again.{self._folder.name}.{number}@nhs.net", PASSWORD)
        box.append_many("INBOX", [letter(1)])
        folder = self._folder / str(number)
        folder.mkdir()
        routes = [{"name": "all", "handlers": ["archive", "ledger"]}]
        settings: dict[str, dict[str, Any]] = {"lockout": {"waits": ["10ms"], "jitter": 0.0}, "work": {"threads": 1}}
        worker = worker_for(folder, box, box, routes, settings)
        config = ("--config", str(worker.config))
        assert doomed.run("once", *config).code == 0
        ((key,),) = worker.rows("SELECT key FROM message")
        return worker, box, [("handle", *config, str(key), "--reason", "it was lost"), ("once", *config)]

    def _faults(self, doomed: Doomed, worker: Worker, box: Mailbox) -> list[str]:
        found: list[str] = []
        ((key, state, redelivery),) = worker.rows("SELECT key, state, redelivery FROM message")
        if (state, redelivery) != ("handled", 1):
            found.append(f"it is {state}, with the count {redelivery}")
        folders = {path.parent.name for path in worker.archive.glob("*/message.json")}
        if folders != {key, f"{key}.1"} or worker.archived() != [letter(1)] * 2:
            found.append(f"in the archive: {sorted(folders)}")
        if box.stored("INBOX") or box.stored("Processed") != [letter(1)]:
            found.append(f"in the mailbox: {len(box.stored('INBOX'))} and {len(box.stored('Processed'))}")
        if worker.rows("SELECT count(*) FROM intent WHERE done_at IS NULL") != [(0,)]:
            found.append("a request was left open")
        if (end := doomed.run("reconcile", "--config", str(worker.config))).code:
            found.append(f"reconcile: {end.out}")
        return found


@pytest.fixture
def ward(dovecot_server: Dovecot, tmp_path: Path) -> Ward:
    return Ward(dovecot_server, tmp_path)


def judge(ward: Ward, kills: list[Kill]) -> None:
    with Doomed() as doomed:
        faults = {kill: found for kill in kills if (found := ward.faults(doomed, kill))}
    assert not faults


@pytest.mark.slow
def test_a_sample_of_the_kills(ward: Ward) -> None:
    kills = ward.enumerate()
    redelivered = [kill for kill in kills if kill[1][0] == "journal Messages.redeliver"]
    assert redelivered
    judge(ward, [*redelivered, *kills[:: len(kills) // 6]])


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_each_kill(ward: Ward, part: int) -> None:
    """In parts, each with a limit and a verdict of its own."""
    judge(ward, ward.enumerate()[part::PARTS])
