"""`journal backup`: what is in a copy and what isn't, and that a copy is whole or isn't there, whatever goes wrong."""

import errno
import os
import resource
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.commands.configured import ADDRESS, configured
from worker.commands.backup import back_up
from worker.commands.context import Context
from worker.commands.exits import ExitCode, Failure
from worker.journal.attempts import AttemptLedger
from worker.journal.audit_anchors import JournalAnchors
from worker.journal.records import NewMessage, Place
from worker.journal.store import FILE, Journal
from worker.message.verdict import MailPath, Verdict
from worker.observe.audit.chain_name import installation
from worker.observe.audit.trail import AuditTrail
from worker.observe.audit.verify import verify
from worker.pipeline.known_senders import read_key
from worker.private_files import PARTIAL

NOBODY = 65534


def message(number: int) -> NewMessage:
    return NewMessage(f"m{number}", Place("INBOX", 1, number), 1, 1.0, Verdict(MailPath.CLEAN))


def filled(folder: Path, messages: int = 3) -> Path:
    """A state folder as a worker leaves it, with all that can lie in it."""
    state = folder / "state"
    journal = Journal(state, None, time.time)
    journal.open(ADDRESS)
    journal.messages.add([message(number) for number in range(messages)], 1.0)
    ledger = AttemptLedger(journal.database)
    ledger.begin(after=0, floor=0, epoch="e", kind="password", credential="c", actor="a", at=1.0, jitter=0.0)
    trail = AuditTrail(state / "audit", replica=installation(state), anchors=JournalAnchors(journal.database))
    for _ in range(5):
        trail.record("worker.paused")
    journal.close()
    read_key(state)
    for name in ("login.witness", "work.lock", "login.lock", "oauth-cache.json"):
        (state / name).write_text("x")
    return state


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    filled(tmp_path)
    with configured(tmp_path) as context:
        yield context


def opened(copy: Path) -> Journal:
    """The journal of a copy, opened by a worker in a folder of its own."""
    journal = Journal(copy, None, time.time)
    journal.open(ADDRESS)
    return journal


def check_whole(copy: Path, messages: int | None = 3) -> None:
    """A worker would open it, and find everything."""
    with closing(sqlite3.connect(f"file:{copy / FILE}?immutable=1", uri=True)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("SELECT kind FROM attempt ORDER BY number DESC").fetchone() == ("doubt",)
        assert raw.execute("SELECT count(*) FROM fact WHERE name IN ('paused', 'kept.copied')").fetchone() == (2,)
        found = raw.execute("SELECT count(*) FROM message").fetchone()[0]
        assert messages is None or found == messages
    key = (copy.parent.parent / "state" / "senders.key").read_text()
    assert (copy / "senders.key").read_text() == key
    assert {path.name for path in copy.iterdir()} == {FILE, "audit", "senders.key"}
    assert (copy / "audit" / "audit.key").exists()
    assert list((copy / "audit").glob("*.jsonl"))
    for path in (copy, *copy.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def copies(folder: Path) -> list[Path]:
    """What a person would take for a copy."""
    return sorted(path for path in folder.glob("*") if not path.name.startswith("."))


def refused(context: Context, directory: Path) -> Failure:
    with pytest.raises(Failure) as failure:
        back_up(context, directory)
    assert copies(directory) == []
    return failure.value


# -- what a copy is ----------------------------------------------------------------------------------------------------


def test_a_copy_has_what_a_new_state_folder_needs_and_nothing_else(context: Context, tmp_path: Path) -> None:
    made = back_up(context, tmp_path / "copies")
    assert made.audited
    assert copies(tmp_path / "copies") == [made.path]
    check_whole(made.path)


def test_the_copied_trail_shows_that_it_was_copied_and_ends_as_the_copied_journal_knows(
    context: Context, tmp_path: Path
) -> None:
    copy = back_up(context, tmp_path / "copies").path
    before = installation(context.parts.journal.state_dir)
    with closing(opened(copy)) as journal:
        trail = AuditTrail(copy / "audit", replica=installation(copy), anchors=JournalAnchors(journal.database))
        found = verify(trail)
        assert (found.ok, found.chains, found.records, found.unanchored) == (True, 1, 6, 0)
        assert [line["kind"] for line in trail.folder.entries()][-1] == "journal.copied"
        assert trail.chain != before
        trail.record("worker.started")
        assert verify(trail).ok
        (copy / "audit" / f"{before}.jsonl").write_bytes(b"")
        assert not verify(trail).ok


def test_the_worker_s_own_folder_is_as_it_was(context: Context, tmp_path: Path) -> None:
    state = tmp_path / "state"
    back_up(context, tmp_path / "copies")
    journal = context.parts.journal
    assert journal.facts.paused() is None
    assert not journal.facts.recall("copied")
    assert AttemptLedger(journal.database).head() == 1
    names = {path.name for path in state.iterdir()}
    assert {"login.witness", "senders.key", "installation"} <= names


def test_a_person_s_pause_is_kept(context: Context, tmp_path: Path) -> None:
    context.parts.open_journal()
    context.parts.journal.facts.pause("a person", 1.0)
    with closing(opened(back_up(context, tmp_path / "copies").path)) as journal:
        assert str(journal.facts.paused()).endswith("by a person")


def test_no_former_copy_is_written_over(context: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context.parts, "clock", lambda: 1_800_000_000.0)
    made = [back_up(context, tmp_path / "copies").path for _ in range(3)]
    name = "nhsmail-worker-20270115T080000Z"
    assert [path.name for path in made] == [name, f"{name}-2", f"{name}-3"]
    for path in made:
        check_whole(path)


def test_beside_a_worker_that_writes(context: Context, tmp_path: Path) -> None:
    """Each transaction adds ten messages: no copy has a part of one."""
    stop = threading.Event()

    def write() -> None:
        with closing(opened(tmp_path / "state")) as journal:
            for start in range(1000, 10**6, 10):
                if stop.is_set():
                    return
                journal.messages.add([message(start + number) for number in range(10)], 1.0)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        paths = [back_up(context, tmp_path / "copies").path for _ in range(6)]
    finally:
        stop.set()
        writer.join()
    found = []
    for path in paths:
        check_whole(path, messages=None)
        with closing(opened(path)) as journal:
            found.append(len(journal.messages.everything()))
    assert [number % 10 for number in found] == [3] * len(paths)
    assert found == sorted(found)
    assert found[0] < found[-1]


def test_a_journal_of_an_earlier_version_is_copied_as_it_is(context: Context, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "state" / FILE)) as raw:
        raw.executescript(
            "DROP INDEX message_outcome; DROP INDEX message_unsettled; DROP INDEX message_released; "
            "DROP INDEX message_unreviewed; DROP INDEX intent_open; "
            "DROP TABLE headerless; ALTER TABLE folder DROP COLUMN seen; "
            "ALTER TABLE message DROP COLUMN content; ALTER TABLE message DROP COLUMN doubtful; "
            "ALTER TABLE message DROP COLUMN sender_confirmed; "
            "ALTER TABLE message DROP COLUMN redelivery; ALTER TABLE message DROP COLUMN only_handler; "
            "ALTER TABLE intent DROP COLUMN handler; UPDATE alembic_version SET version_num='0001'"
        )
        copy = back_up(context, tmp_path / "copies").path
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
    check_whole(copy)
    with closing(opened(copy)) as journal:
        assert len(journal.messages.everything()) == 3


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_journal_on_a_server_is_the_server_s_to_dump(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    with configured(tmp_path, journal="postgresql+psycopg://db.example/journal") as context:
        failure = refused(context, tmp_path / "copies")
    assert failure.code is ExitCode.CONFIGURATION
    assert "pg_dump" in str(failure)
    assert not (tmp_path / "copies").exists()


def test_no_journal_no_copy(tmp_path: Path) -> None:
    with configured(tmp_path) as context:
        failure = refused(context, tmp_path / "copies")
    assert failure.code is ExitCode.CONFIGURATION
    assert not (tmp_path / "state").exists()


def damaged(state: Path) -> None:
    for left in state.glob(f"{FILE}-*"):
        left.unlink()
    (state / FILE).write_bytes(b"SQLite format 3\0" + bytes(20_000))


def newer(state: Path) -> None:
    with closing(sqlite3.connect(state / FILE, isolation_level=None)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")


def somebody_else_s(state: Path) -> None:
    with closing(sqlite3.connect(state / FILE, isolation_level=None)) as raw:
        raw.execute("UPDATE fact SET value = 'other@nhs.net' WHERE name = 'account'")


def key_gone_bad(state: Path) -> None:
    (state / "senders.key").write_text("not a key")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (damaged, "journal rebuild"),
        (newer, "newer program"),
        (somebody_else_s, "belongs to other@nhs.net"),
        (key_gone_bad, "not a key"),
    ],
)
def test_what_can_t_be_restored_isn_t_copied(
    context: Context, tmp_path: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(tmp_path / "state")
    failure = refused(context, tmp_path / "copies")
    assert failure.code is ExitCode.CONFIGURATION
    assert says in str(failure)


def test_a_link_in_the_trail_isn_t_followed(context: Context, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "state" / "audit" / "a.jsonl").symlink_to(tmp_path / "secret")
    assert refused(context, tmp_path / "copies").code is ExitCode.CONFIGURATION


def test_one_backup_at_a_time(context: Context, tmp_path: Path) -> None:
    with configured(tmp_path) as other:
        said: list[ExitCode] = []
        real = context.parts.announcer

        def meanwhile() -> Any:
            said.append(refused(other, tmp_path / "copies").code)
            return real()

        context.parts.announcer = meanwhile  # type: ignore[method-assign] # in the midst of a backup
        check_whole(back_up(context, tmp_path / "copies").path)
    assert said == [ExitCode.NOT_NOW]


def test_a_place_that_can_t_be_written(context: Context, tmp_path: Path) -> None:
    for place in (tmp_path / "missing" / "copies", Path("/proc/copies")):
        failure = refused(context, place)
        assert failure.code is ExitCode.CONFIGURATION
        assert "No copy was made" in str(failure)


# -- whatever goes wrong -----------------------------------------------------------------------------------------------


def in_a_child(work: Callable[[], int]) -> int:
    """Do it in a process of its own. Returns its exit code, or minus the signal that killed it."""
    child = os.fork()
    if child == 0:
        code = 99
        with suppress(BaseException):
            code = work()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def attempted(folder: Path, before: Callable[[], None] = lambda: None) -> int:
    """The exit code of one backup, in this process."""
    with configured(folder) as context:
        before()
        try:
            back_up(context, folder / "copies")
        except Failure as failure:
            return failure.code
        return ExitCode.DONE


def check_again(folder: Path, code: int) -> None:
    """After any end: every copy is whole, what isn't can't be taken for one, and the next backup works."""
    made = copies(folder / "copies")
    assert len(made) == (1 if code == ExitCode.DONE else 0)
    for path in made:
        check_whole(path)
    remove(folder / "copies")
    check_works(folder)


def check_works(folder: Path) -> None:
    with configured(folder) as context:
        check_whole(back_up(context, folder / "copies").path)
    remove(folder / "copies")
    assert not (folder / "copies" / PARTIAL).exists()
    with closing(opened(folder / "state")) as journal:
        assert journal.facts.paused() is None
        assert len(journal.messages.everything()) == 3


STEPS = {
    *(("module", name) for name in ("mkdir", "open", "write", "fsync", "rename", "link", "unlink", "flock", "rmdir")),
    *(("Connection", name) for name in ("backup", "commit", "execute")),
    ("BufferedWriter", "write"),
    ("TextIOWrapper", "write"),
}
"""What a backup asks of the operating system and of SQLite."""


class Strikes:
    """Something happens before the n-th step of a backup."""

    def __init__(self, at: int, strike: Callable[[str], None]) -> None:
        self._at = at
        self._strike = strike
        self.passed = 0

    def __call__(self, _frame: Any, event: str, called: Any) -> None:
        if event != "c_call":
            return
        step = type(getattr(called, "__self__", None)).__name__, called.__name__
        if step in STEPS:
            self.passed += 1
            if self.passed == self._at + 1:
                self._strike(step[0])

    def attempt(self, folder: Path) -> int:
        try:
            return attempted(folder, lambda: sys.setprofile(self))
        finally:
            sys.setprofile(None)


def remove(folder: Path) -> None:
    for path in folder.glob("[!.]*"):
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for all the faults, with a worker's state; one backup has been made, so that all is loaded."""
    folder = tmp_path_factory.mktemp("faults")
    filled(folder)
    assert attempted(folder) == ExitCode.DONE
    remove(folder / "copies")
    return folder


@pytest.fixture(scope="module")
def steps(place: Path) -> int:
    """How many steps a backup has."""
    strikes = Strikes(10**6, lambda _: None)
    assert strikes.attempt(place) == ExitCode.DONE
    remove(place / "copies")
    assert strikes.passed > 60
    return strikes.passed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_before_each_step(place: Path, steps: int) -> None:
    """SIGKILL before the first step, before the second, and so on, until it ends before it is struck."""
    for at in count():
        strikes = Strikes(at, lambda _: os.kill(os.getpid(), signal.SIGKILL))
        code = in_a_child(lambda strikes=strikes: strikes.attempt(place))  # type: ignore[misc] # bound now
        for path in copies(place / "copies"):
            check_whole(path)
        remove(place / "copies")
        if code != -signal.SIGKILL:
            break
    assert code == ExitCode.DONE
    assert at >= steps
    check_works(place)


ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ESTALE)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=60)
@given(data=st.data(), number=st.sampled_from(ERRORS))
def test_any_step_may_fail(place: Path, steps: int, data: st.DataObject, number: int) -> None:
    def fail(owner: str) -> None:
        if owner == "Connection":
            raise sqlite3.OperationalError("database or disk is full")
        raise OSError(number, os.strerror(number))

    code = Strikes(data.draw(st.integers(0, steps - 1)), fail).attempt(place)
    assert code in {ExitCode.DONE, ExitCode.CONFIGURATION}  # done: it was but the trail's line
    assert not (place / "copies" / PARTIAL).exists()
    check_again(place, code)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=30)
@given(size=st.integers(0, 200_000))
def test_a_disk_that_is_full_after_so_many_bytes(place: Path, size: int) -> None:
    def work() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        return attempted(place, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))

    code = in_a_child(work)
    assert code in {ExitCode.DONE, ExitCode.CONFIGURATION}
    check_again(place, code)


def test_a_folder_that_can_t_be_written_is_copied_all_the_same(tmp_path: Path) -> None:
    """As on a disk that became read-only: everything is in the copy, but the trail can't say that it was made."""
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above)
        filled(folder)
        (folder / "copies").mkdir()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        for path in (folder / "state", *(folder / "state").rglob("*")):
            path.chmod(0o500 if path.is_dir() else 0o400)

        def work() -> int:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with configured(folder) as context:
                return 1 if not back_up(context, folder / "copies").audited else 0

        assert in_a_child(work) == 1
        [copy] = copies(folder / "copies")
        check_whole(copy)
