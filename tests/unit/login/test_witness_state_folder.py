"""What becomes of the count of attempts when the state folder, or a part of it, is lost, emptied or put back.

The page "Upgrade and backup" has a table of it. Here each row is tried, with real files, and compared with the page.
"""

import itertools
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.journal import with_tables
from tests.unit.login.world import ACCOUNT, START
from worker.journal.attempts import AttemptLedger
from worker.journal.database import Database
from worker.journal.facts import Facts
from worker.journal.online_copy import copy_journal
from worker.journal.store import FILE
from worker.login.backoff import Lockout
from worker.login.credential import PasswordSource
from worker.login.guard import Guard
from worker.login.history import Rules
from worker.login.login_status import LoginStatus
from worker.login.mutex import AttemptMutex
from worker.login.refusals import NoAttempt, ResetNeedsAgain
from worker.login.standing import State, stand
from worker.login.witness import MARK, NAME, Witness
from worker.mailbox.errors import LoginFailed
from worker.mailbox.login_failures import FailureClass, failure

PAGE = Path(__file__).parents[3] / "docs" / "upgrade.md"
LOCKOUT = Lockout(per_credential=20)
HALTED, ANEW, KEPT = "halted until `login reset`", "a whole budget again", "goes on with its count"


class Folder:
    """A state folder with its journal and witness, and the guard of the process that uses it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = START
        path.mkdir(mode=0o700)
        self.open()

    def open(self) -> None:
        self.database = with_tables(Database(f"sqlite:///{self.path / FILE}"))
        Facts(self.database).belongs_to(ACCOUNT)
        self.guard = Guard(
            ledger=AttemptLedger(self.database),
            witness=Witness(self.path),
            mutex=AttemptMutex(self.database, self.path),
            source=PasswordSource(ACCOUNT, file=None, value="Right-Password-0"),
            rules=Rules(ACCOUNT, lockout=LOCKOUT),
            clock=lambda: self.now,
            random=random.Random(7),
            actor="replica",
            notify=lambda _name, _fields: None,
            cost=2,
        )

    def close(self) -> None:
        self.database.close()

    def log_in(self, *, right: bool) -> bool:
        """One login, as far as the guard allows it. Returns whether a password was sent."""
        self.now += 10 * 86_400
        sent = False
        with suppress(LoginFailed, NoAttempt), self.guard.attempt() as attempt:
            attempt.credential()
            sent = True
            if not right:
                raise LoginFailed(failure(FailureClass.REJECTED, "password"))
            attempt.logged_in()
            attempt.first_command_ok()
        return sent

    def wrong_until_halted(self) -> int:
        """How many wrong passwords are sent before the guard halts."""
        return sum(1 for _ in itertools.takewhile(lambda _: self.log_in(right=False), range(50)))

    def standing_of_a_token(self) -> State:
        """How a token would stand now."""
        history = AttemptLedger(self.database).history()
        return stand(history, LOCKOUT, kind="token", credential="a token", now=self.now).state

    @property
    def status(self) -> LoginStatus:
        return self.guard.status()


def _remove(folder: Folder, *names: str) -> None:
    for name in names:
        for path in folder.path.glob(name):
            path.unlink()


def _unmark(path: Path) -> None:
    with suppress(OSError):
        os.removexattr(path, MARK)


def lose_journal(folder: Folder, _copy: Path) -> None:
    _remove(folder, f"{FILE}*")


def lose_witness(folder: Folder, _copy: Path) -> None:
    _remove(folder, NAME)


def lose_witness_and_mark(folder: Folder, copy: Path) -> None:
    lose_witness(folder, copy)
    _unmark(folder.path)


def empty(folder: Folder, _copy: Path) -> None:
    _remove(folder, "*")


def empty_without_attributes(folder: Folder, copy: Path) -> None:
    empty(folder, copy)
    _unmark(folder.path)


def make_anew(folder: Folder, _copy: Path) -> None:
    shutil.rmtree(folder.path)
    folder.path.mkdir(mode=0o700)


def put_back(folder: Folder, copy: Path) -> None:
    """As `cp -a` does, attributes and all."""
    shutil.rmtree(folder.path)
    shutil.copytree(copy, folder.path)


def put_journal_back(folder: Folder, copy: Path) -> None:
    _remove(folder, f"{FILE}*")
    for path in copy.glob(f"{FILE}*"):
        shutil.copy2(path, folder.path)


def second_folder(folder: Folder, _copy: Path) -> None:
    folder.path = folder.path.with_name("second")
    folder.path.mkdir(mode=0o700)


def put_backup_back(folder: Folder, copy: Path) -> None:
    make_anew(folder, copy)
    shutil.copytree(copy.with_name("backup"), folder.path, dirs_exist_ok=True)


TRIED: dict[str, Callable[[Folder, Path], None]] = {
    "`journal.sqlite` is lost": lose_journal,
    "`login.witness` is lost, and the folder has its attribute": lose_witness,
    "`login.witness` is lost, and the attribute too": lose_witness_and_mark,
    "the folder is emptied, and has its attribute": empty,
    "the folder is emptied, and has none": empty_without_attributes,
    "the folder is removed and made again": make_anew,
    "a second state folder is used for the account": second_folder,
    "a copy of the whole folder is put in its place (`cp -a`)": put_back,
    "an older `journal.sqlite` is put in its place": put_journal_back,
    "a copy of `journal backup` is restored": put_backup_back,
}
"""What may happen to a state folder, in the page's words."""


def _page() -> dict[str, list[str]]:
    """The page's table: what becomes of the count if nothing had failed since the last good login, and if it had."""
    part = PAGE.read_text().partition("## What becomes of the count of attempts\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line[:2] == "| "]
    return {row[0]: row[1:] for row in rows[1:]}


@pytest.fixture
def page() -> dict[str, list[str]]:
    return _page()


def tried(place: Path, what: str, *, earlier: int, later: int) -> str:
    """What becomes of the count, in the page's words.

    earlier, later: how many logins fail before the copies are made, and after.
    """
    folder = Folder(place / "state")
    try:
        folder.log_in(right=True)
        sent = sum(folder.log_in(right=False) for _ in range(earlier))
        (place / "backup").mkdir()
        (place / "backup" / FILE).touch(mode=0o600)
        target = place / "backup" / FILE
        copy_journal(folder.path / FILE, target, ACCOUNT, actor="person", now=folder.now, doubt="a copy", copied="then")
        folder.close()
        shutil.copytree(folder.path, place / "copy")
        folder.open()
        sent += sum(folder.log_in(right=False) for _ in range(later))
        folder.close()
        TRIED[what](folder, place / "copy")
        folder.open()
        after = folder.wrong_until_halted()
        if after == 0:
            assert folder.status.standing.reason == "journal"
            assert not folder.log_in(right=True), "the right password doesn't help either"
            folder.guard.reset("the account is unlocked", actor="person")
            assert folder.wrong_until_halted() == LOCKOUT.budget
            return HALTED
        if after == LOCKOUT.budget:
            return ANEW if sent else KEPT_OR_ANEW
        assert after == LOCKOUT.budget - sent
        return KEPT
    finally:
        folder.close()


KEPT_OR_ANEW = f"{KEPT}, or {ANEW}"
"""With nothing counted there is no difference."""


def said(page: dict[str, list[str]], what: str, *, failed: bool) -> str:
    found = page[what][failed]
    return KEPT_OR_ANEW if not failed and found in (KEPT, ANEW) else found


def test_each_row_of_the_page_is_tried(page: dict[str, list[str]]) -> None:
    assert page.keys() == TRIED.keys()
    assert {cell for row in page.values() for cell in row} == {HALTED, ANEW, KEPT}


@pytest.mark.parametrize("what", TRIED)
@pytest.mark.parametrize("failed", [False, True], ids=["nothing had failed", "something had"])
def test_the_page_tells_what_becomes_of_the_count(
    tmp_path: Path, page: dict[str, list[str]], what: str, *, failed: bool
) -> None:
    assert tried(tmp_path, what, earlier=0, later=3 if failed else 0) == said(page, what, failed=failed)


@settings(max_examples=25)
@given(what=st.sampled_from(sorted(TRIED)), earlier=st.integers(0, 7), later=st.integers(0, 7))
def test_so_it_is_however_many_had_failed(what: str, earlier: int, later: int) -> None:
    later = min(later, LOCKOUT.budget - 1 - earlier)
    rows = _page()
    with tempfile.TemporaryDirectory() as place:
        found = tried(Path(place), what, earlier=earlier, later=later)
    expected = said(rows, what, failed=bool(earlier + later))
    if TRIED[what] is put_journal_back and not later and earlier:
        expected = KEPT  # it is no older than what was there
    assert found == expected


def test_a_reset_gives_a_whole_budget_for_this_folder_alone_and_unlocks_nothing(tmp_path: Path) -> None:
    here, there = Folder(tmp_path / "here"), Folder(tmp_path / "there")
    try:
        assert (here.wrong_until_halted(), there.wrong_until_halted()) == (LOCKOUT.budget, LOCKOUT.budget)
        here.guard.reset("the account is unlocked", actor="person")
        assert here.status.standing.state is State.READY
        assert there.status.standing.state is State.HALTED
        with pytest.raises(ResetNeedsAgain):
            here.guard.reset("once more", actor="person")
        assert (here.wrong_until_halted(), there.wrong_until_halted()) == (LOCKOUT.budget, 0)
        here.guard.reset("once more, and meant", actor="person", again=True)
        assert here.log_in(right=True)
    finally:
        here.close()
        there.close()


def test_a_token_is_not_held_up_by_a_lost_journal(tmp_path: Path) -> None:
    """With OAuth tokens the account's attempts aren't at stake."""
    folder = Folder(tmp_path / "state")
    folder.wrong_until_halted()
    folder.close()
    lose_journal(folder, tmp_path)
    folder.open()
    assert not folder.log_in(right=True)
    assert folder.standing_of_a_token() is State.READY
    folder.close()
