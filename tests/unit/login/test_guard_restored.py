"""The guard on a journal that was restored from a copy: no copy, restored anywhere, refills the budget."""

import itertools
import random
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fakes.journal import with_tables
from tests.unit.login.world import ACCOUNT, LIMIT, START, Server
from worker.journal.attempts import AttemptLedger
from worker.journal.database import Database
from worker.journal.facts import Facts
from worker.journal.online_copy import copy_journal
from worker.journal.read_only import MEMORY
from worker.journal.store import FILE
from worker.login.backoff import Lockout
from worker.login.credential import PasswordSource
from worker.login.guard import Guard
from worker.login.history import Rules
from worker.login.mutex import AttemptMutex
from worker.login.refusals import Halted, NoAttempt
from worker.login.standing import Reason, State
from worker.login.witness import Witness
from worker.mailbox.errors import ConnectionLost, LoginFailed
from worker.mailbox.login_failures import FailureClass, failure

PLACES = ("elsewhere", "in the emptied folder", "over the journal", "over everything")
STEPS = st.one_of(
    st.sampled_from(["right", "wrong", "wrong", "wrong", "silent", "copy", "vouch"]),
    st.tuples(st.integers(0, 9), st.sampled_from(PLACES)),
)


ANSWERS: dict[str, Exception] = {
    "wrong": LoginFailed(failure(FailureClass.REJECTED, "password")),
    "silent": ConnectionLost("lost"),
}


class Worker:
    """One worker with real files, one server that counts, and the copies that were made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self.now = START
        self.server = Server(password="Right-Password-0")
        self.copies: list[Path] = []
        self.restored = False
        self._begin(self._new())

    def step(self, step: Any) -> None:
        match step:
            case "copy":
                self._copy()
            case "vouch":
                self.server.unlock()
                self.guard.reset("unlocked", actor="person", again=True)
                self.restored = False
            case (int() as which, str() as where):
                if self.copies:
                    self._restore(self.copies[which % len(self.copies)], where)
            case _:
                self._log_in(step)

    def close(self) -> None:
        self.database.close()

    def _log_in(self, answer: str) -> None:
        sent = self.server.sent
        with suppress(LoginFailed, ConnectionLost, NoAttempt), self.guard.attempt() as attempt:
            attempt.credential()
            self.server.receive("Right-Password-0")
            if answer in ANSWERS:
                raise ANSWERS[answer]
            attempt.logged_in()
            self.server.forget()
            attempt.first_command_ok()
        if self.restored:
            assert "it is a copy made at " in self.guard.advice()
            assert self.server.sent == sent, "an attempt on a copy, without a person's word"
            assert self.guard.status().standing.state is State.HALTED
        self.now += 10 * 86_400

    def _copy(self) -> None:
        target = self._new()
        (target / FILE).touch(mode=0o600)
        doubt = f"it is a copy made at {self.now}"
        copy_journal(
            self.state / FILE, target / FILE, ACCOUNT, actor="person", now=self.now, doubt=doubt, copied="then"
        )
        self.copies.append(target)

    def _restore(self, copy: Path, where: str) -> None:
        self.close()
        state = self._new() if where == "elsewhere" else self.state
        names = {"over the journal": f"{FILE}*", "in the emptied folder": "*"}.get(where, f"{FILE}-*")
        for path in state.glob(names):
            path.unlink()
        shutil.copytree(copy, state, dirs_exist_ok=True)
        self.restored = True
        self._begin(state)

    def _new(self) -> Path:
        path = self._folder / f"folder-{next(self._numbers)}"
        path.mkdir(mode=0o700)
        return path

    def _begin(self, state: Path) -> None:
        self.state = state
        self.database = with_tables(Database(f"sqlite:///{state / FILE}"))
        Facts(self.database).belongs_to(ACCOUNT)
        self.guard = Guard(
            ledger=AttemptLedger(self.database),
            witness=Witness(state),
            mutex=AttemptMutex(self.database, state),
            source=PasswordSource(ACCOUNT, file=None, value="Right-Password-0"),
            rules=Rules(ACCOUNT, lockout=Lockout()),
            clock=lambda: self.now,
            random=random.Random(7),
            actor="replica",
            notify=lambda _name, _fields: None,
            cost=2,
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=60)
@given(steps=st.lists(STEPS, min_size=4, max_size=25))
@example(["copy", *["wrong"] * 9, (0, "elsewhere"), *["wrong"] * 9])  # of before the first attempt
@example(["right", "copy", *["wrong"] * 4, (0, "over the journal"), *["wrong"] * 9])
def test_no_copy_refills_the_budget(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:  # where nothing waits for a disk
        worker = Worker(Path(folder))
        try:
            for step in steps:
                worker.step(step)
        finally:
            worker.close()
        assert worker.server.worst <= Lockout().budget < LIMIT


@pytest.mark.parametrize("where", PLACES)
def test_a_copy_says_what_it_can_t_know_until_a_person_vouches(tmp_path: Path, where: str) -> None:
    worker = Worker(tmp_path)
    for step in ("right", "copy", "wrong", (0, where)):
        worker.step(step)
    assert "copy made at" in worker.guard.advice()
    with pytest.raises(Halted) as halted, worker.guard.attempt():
        pass
    assert worker.guard.status().standing.reason == Reason.JOURNAL
    assert "may have forgotten login attempts: it is a copy made at 18" in halted.value.advice
    assert "login reset" in halted.value.advice
    worker.step("vouch")
    worker.step("right")
    assert worker.guard.status().standing.state is State.READY
    worker.close()
