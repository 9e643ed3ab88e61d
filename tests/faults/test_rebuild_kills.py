"""`journal rebuild`, killed at every point of its way: begun again it enters all, and nothing done is handed over."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.rig.crossings import Point, points
from tests.rig.doomed import Doomed
from tests.rig.dovecot import JUNK, Mailbox
from tests.rig.letters import letter, letters, spam
from tests.rig.worker import Worker
from worker.journal.store import FILE

MakeWorker = Callable[..., Worker]
ROUTES: list[dict[str, Any]] = [
    {"name": "refused", "match": {"subject": "Report 9"}, "handlers": ["failing"]},
    {"name": "all", "handlers": ["ledger"]},
]
SETTINGS: dict[str, dict[str, Any]] = {
    "handler.failing": {"use": "tests.rig.handlers:Failing", "how": "reject"},
    "junk": {"handlers": ["ledger"]},
    "lockout": {"waits": ["10ms"], "jitter": 0.0},
}
KILLED_AT_LOGIN = {75, 77}
"""A login whose answer nobody saw: the next one waits, or wants a person's word first."""

SAMPLE = ("journal Facts.pause", "disk replace store", "journal Messages.add_settled")


class Rebuilds:
    """One mailbox with settled mail, whose journal is damaged anew for each kill."""

    def __init__(self, worker: Worker, arguments: tuple[str, ...]) -> None:
        self.worker = worker
        self._arguments = ("journal", "rebuild", *arguments)
        self._ledger = worker.ledger.read_text()

    def enumerate(self, doomed: Doomed) -> list[Point]:
        self._damage()
        end = self._run(doomed, *self._arguments)
        assert end.code == 0, end.log
        return points(end.passed)

    def killed_at(self, doomed: Doomed, point: Point) -> list[str]:
        self._damage()
        if not self._run(doomed, *self._arguments, deadly=point).killed:
            return [f"{point} was not reached"]
        self._run(doomed, "once")
        end = self._run(doomed, *self._arguments)
        if end.code in KILLED_AT_LOGIN:
            self._run(doomed, "login", "reset", "--reason", "unlocked")
            end = self._run(doomed, *self._arguments)
        faults = [] if end.code == 0 else [f"rebuild: {end.code} {end.log[-300:]}"]
        once = self._run(doomed, "once")
        faults += [] if once.code == 0 else [f"once: {once.code} {once.log[-300:]}"]
        if self.worker.ledger.read_text() != self._ledger:
            faults.append("what was done was handed over again")
        states = Counter(state for (state,) in self.worker.rows("SELECT state FROM message"))
        faults += [] if states == {"handled": 3, "failed": 1, "junk": 2} else [f"{states}"]
        return [f"{point}: {fault}" for fault in faults]

    def _run(self, doomed: Doomed, *arguments: str, deadly: Point | None = None) -> Any:
        return doomed.run(*arguments, "--config", str(self.worker.config), deadly=deadly)

    def _damage(self) -> None:
        self.worker.ledger.write_text(self._ledger)
        for left in self.worker.state.glob(f"{FILE}?*"):
            left.unlink()
        (self.worker.state / FILE).write_bytes(b"no journal" * 1000)


def rebuilds(dovecot: Mailbox, make_worker: MakeWorker, handled: str) -> Rebuilds:
    dovecot.append_many("INBOX", [*letters(3), letter(9), spam(4)])
    dovecot.append_many(JUNK, [letter(5)])
    worker = make_worker(routes=ROUTES, settings={**SETTINGS, "settle": {"handled": handled}})
    assert worker.once() == 1
    arguments = ("--assume-handled-before", "2100-01-01") if handled == "keep" else ()
    return Rebuilds(worker, arguments)


@pytest.mark.slow
@pytest.mark.parametrize("handled", ["Processed", "keep"])
def test_a_rebuild_that_was_killed_is_begun_again(dovecot: Mailbox, make_worker: MakeWorker, handled: str) -> None:
    ours = rebuilds(dovecot, make_worker, handled)
    with Doomed() as doomed:
        found = [point for point in ours.enumerate(doomed) if point[0] in SAMPLE]
        assert {point[0] for point in found} == set(SAMPLE)
        faults = [fault for point in found for fault in ours.killed_at(doomed, point)]
    assert not faults, "\n".join(faults)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("handled", ["Processed", "keep"])
def test_a_rebuild_that_was_killed_anywhere_is_begun_again(
    dovecot: Mailbox, make_worker: MakeWorker, handled: str
) -> None:
    ours = rebuilds(dovecot, make_worker, handled)
    with Doomed() as doomed:
        faults = [fault for point in ours.enumerate(doomed) for fault in ours.killed_at(doomed, point)]
    assert not faults, "\n".join(faults)
