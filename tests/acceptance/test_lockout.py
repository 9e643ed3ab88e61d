"""An account that we can never lock: the whole command, killed at will, before a server that locks at twelve."""

import json
import os
import pwd
import random
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.rig.dovecot import NHSMAIL_LOCKS_AFTER, Mailbox
from tests.rig.nursery import Child, Nursery, all_at_once
from tests.rig.proxy import Call, Proxy
from tests.rig.worker import COMMAND, Worker, eventually

MakeWorker = Callable[..., Worker]

SLOW = pytest.mark.slow
BUDGET = 8
RIGHT = "Bright-Harbour-92"
WRONG = "Grey-Harbour-17"
ROUNDS = 40
AT_ONCE = {"waits": ["10ms"], "jitter": 0.0}
"""Next to no wait between attempts: only the budget is left to keep the account open."""
AT_WORK = re.compile(r'"login\.|not_ready|held_elsewhere|Logging in once')
"""What a worker says when it has an attempt written down, or has found out that it may not make one."""
SHORT_LEASE = (
    "import worker.journal.lease as lease, worker.commands.work as work; "
    "lease.DURATION, lease.MARGIN, lease.HEARTBEAT, work.HEARTBEAT = 0.4, 0.1, 0.1, 0.1; "
    "import worker.loop.cycle as cycle; cycle.STANDBY = 0.05"
)
"""Between hosts, a killed worker's lease lasts for 20 seconds: too long for a loop that is to be tight."""


def deploy(worker: Worker, password: str) -> None:
    """Put a password into the worker's file."""
    (worker.folder / "password").write_text(password)


def impatient(make_worker: MakeWorker, server: object = None, **lockout: object) -> Worker:
    """A worker that doesn't wait between attempts, with a wrong password."""
    worker = make_worker(server, settings={"lockout": {**AT_ONCE, **lockout}, "poll": {"every": "50ms"}})
    deploy(worker, WRONG)
    return worker


def use_up(worker: Worker, times: int) -> None:
    """So many rejected logins."""
    for _ in range(times):
        assert worker.once() in {75, 77}


def failures(worker: Worker) -> int:
    found = worker.status()["login"]
    assert found["remaining"] == BUDGET - found["failures"]
    return int(found["failures"])


def gets_in(worker: Worker, dovecot: Mailbox) -> None:
    answer = worker.command("once")
    assert answer.code == 0, answer
    assert (failures(worker), dovecot.attempts, dovecot.locked) == (0, 0, False)
    assert worker.status()["login"]["state"] == "ready"


# -- killed again and again --------------------------------------------------------------------------------------------


class Killer:
    """Kills every worker at the very moment that a login passes by."""

    def __init__(self, proxy: Proxy | None = None, when: str = "") -> None:
        self._alive: set[int] = set()
        self._children: dict[int, Child] = {}
        self.struck = 0
        if proxy is not None and when:
            proxy.on("^(LOGIN|AUTHENTICATE)", Call(self._strike), when=when, times=None)  # type: ignore[arg-type]

    def _strike(self) -> None:
        self.struck += 1
        for child in list(self._children.values()):
            child.strike()

    def loop(
        self,
        nursery: Nursery,
        worker: Worker,
        times: int,
        commands: Sequence[str],
        seed: int,
        heard: Callable[[], object],
    ) -> None:
        """Start and kill a worker, again and again: at any time, or soon after it has begun to work.

        The first is not killed before `heard`: on a busy machine no login might come through, and nothing be tested.
        """
        choose = random.Random(seed)
        log = worker.folder / f"children-{seed}.log"
        for round_ in range(times):
            command = commands[round_ % len(commands)].split()
            log.write_bytes(b"")
            child = nursery.start(*command, "--config", str(worker.config), log=log)
            self._children[seed] = child
            if choose.random() < 0.7:
                eventually(lambda: child.wait(0.0) or AT_WORK.search(log.read_text()))  # noqa: B023 -- called at once
            if round_ == 0:
                eventually(heard)
            child.wait(choose.uniform(0.0, 0.2))
            child.kill()


def crash_loops(
    workers: Sequence[Worker],
    killer: Killer,
    times: int,
    heard: Callable[[], object],
    *,
    commands: Sequence[str] = ("run",),
    prelude: str = "",
) -> None:
    """A loop for each worker, all at once."""

    def one(worker: Worker, seed: int) -> None:
        with Nursery(worker.config, prelude) as nursery:
            killer.loop(nursery, worker, times, commands, seed, heard)

    all_at_once(one, workers)


def checks(dovecot: Mailbox) -> int:
    """How often the server checked a password, and found each of them wrong."""
    assert set(dovecot.history) <= {"fail"}
    return len(dovecot.history)


@pytest.mark.slow
@pytest.mark.parametrize("per_credential", [5, 8])
def test_two_replicas_in_a_crash_loop_leave_the_account_open(
    dovecot: Mailbox, make_worker: MakeWorker, per_credential: int, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = impatient(make_worker, per_credential=per_credential)

    crash_loops([worker, worker], Killer(), ROUNDS, lambda: dovecot.history)

    assert 1 <= checks(dovecot) <= per_credential
    assert not dovecot.locked
    assert failures(worker) >= checks(dovecot)
    with capsys.disabled():
        print(f"\n2 x {ROUNDS} kills: {checks(dovecot)} attempts at the server, {failures(worker)} counted")  # noqa: T201
    deploy(worker, RIGHT)
    if per_credential == BUDGET and failures(worker) == BUDGET:
        assert worker.once() == 77  # nothing is left for the right one either
        assert worker.command("login", "reset", "--reason", "unlocked").code == 0
    gets_in(worker, dovecot)


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before", "sent", "answered"])
def test_killed_at_each_login(dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, when: str) -> None:
    """Before the server has the password, while it checks it, and when its answer is under way."""
    worker = impatient(make_worker, proxy, per_credential=8)
    killer = Killer(proxy, when)

    crash_loops([worker, worker], killer, 12, lambda: killer.struck)

    assert 1 <= killer.struck <= failures(worker) <= BUDGET
    assert checks(dovecot) <= killer.struck
    proxy.clear()
    use_up(worker, BUDGET)  # what is left of the budget
    assert checks(dovecot) <= BUDGET
    assert not dovecot.locked
    assert worker.once() == 77


@pytest.mark.long
@pytest.mark.parametrize("when", ["", "sent"])
def test_two_hosts_on_one_database_in_a_crash_loop(
    dovecot: Mailbox, proxy: Proxy, make_worker: MakeWorker, postgres_url: str, when: str
) -> None:
    hosts = []
    for number in range(2):
        host = impatient(make_worker, proxy, per_credential=8)
        secret = host.folder / "journal-url"
        secret.touch(mode=0o600)
        secret.write_text(postgres_url)
        host.configure(state={"journal_file": str(secret), "dir": str(host.folder / f"state-{number}")})
        hosts.append(host)

    commands = "run", "check --connect"
    crash_loops(
        hosts, Killer(proxy, when), ROUNDS // 2, lambda: dovecot.history, commands=commands, prelude=SHORT_LEASE
    )

    assert 1 <= checks(dovecot) <= BUDGET
    assert not dovecot.locked
    assert failures(hosts[0]) == failures(hosts[1]) >= checks(dovecot)
    assert hosts[0].command("login", "reset", "--reason", "unlocked").code == 0
    deploy(hosts[1], RIGHT)
    gets_in(hosts[1], dovecot)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_installed_command_in_a_crash_loop(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = impatient(make_worker, per_credential=8)
    assert worker.once() == 75

    def loop(seed: int) -> None:
        choose = random.Random(seed)
        for _ in range(ROUNDS):
            said = len(worker.process_log)
            process = worker.process("run")
            if choose.random() < 0.7:
                eventually(lambda: AT_WORK.search(worker.process_log[said:]))  # noqa: B023 -- called at once
            with suppress(subprocess.TimeoutExpired):
                process.wait(choose.uniform(0.0, 0.3))
            process.kill()
            process.wait()

    loops = [threading.Thread(target=loop, args=(seed,)) for seed in range(2)]
    for thread in loops:
        thread.start()
    for thread in loops:
        thread.join()

    assert 1 <= checks(dovecot) <= failures(worker) <= BUDGET
    assert failures(worker) > 1
    assert not dovecot.locked
    deploy(worker, RIGHT)
    if failures(worker) == BUDGET:
        assert worker.command("login", "reset", "--reason", "unlocked").code == 0
    gets_in(worker, dovecot)


# -- the right password again ------------------------------------------------------------------------------------------


def test_a_right_password_put_back_gets_in(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = impatient(make_worker)
    deploy(worker, RIGHT)
    gets_in(worker, dovecot)
    deploy(worker, WRONG)
    use_up(worker, 3)
    assert dovecot.attempts == 3
    deploy(worker, RIGHT)
    gets_in(worker, dovecot)


def test_a_changed_password_is_tried_at_once_without_a_restart(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker(settings={"lockout": {"waits": ["1h"]}, "poll": {"every": "100ms"}})
    deploy(worker, WRONG)
    with worker.running() as running:
        eventually(lambda: dovecot.attempts)
        eventually(lambda: worker.status()["login"]["state"] == "cooling")
        assert dovecot.attempts == 1
        deploy(worker, RIGHT)
        eventually(lambda: worker.status()["last_poll"]["ok"])
        assert running.alive
        assert (dovecot.attempts, failures(worker)) == (0, 0)
        dovecot.set_password("New-Password-58")
        deploy(worker, "New-Password-58")
        dovecot.kill_sessions()
        eventually(lambda: dovecot.history.count("ok") == 2)
    assert dovecot.history == ["fail", "ok", "ok"]


def test_a_halted_worker_stays_alive_and_takes_a_changed_password(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = impatient(make_worker)
    with worker.running() as running:
        eventually(lambda: dovecot.attempts)
        eventually(lambda: worker.status()["login"]["state"] == "halted")
        assert running.alive
        assert worker.status()["login"]["reason"] == "credential"
        assert failures(worker) == 5
        assert 1 <= dovecot.attempts <= 5  # on a slow machine, an answer may not be waited for
        deploy(worker, RIGHT)
        eventually(lambda: worker.status()["last_poll"]["ok"])
    assert (dovecot.attempts, failures(worker)) == (0, 0)


# -- a journal that forgot ---------------------------------------------------------------------------------------------


def lose(worker: Worker, _copy: Path) -> None:
    for path in worker.state.glob("journal.sqlite*"):
        path.unlink()


def restore(worker: Worker, copy: Path) -> None:
    lose(worker, copy)
    for path in copy.glob("journal.sqlite*"):
        shutil.copy2(path, worker.state)


def restore_all(worker: Worker, copy: Path) -> None:
    shutil.rmtree(worker.state)
    shutil.copytree(copy, worker.state)


def move(worker: Worker, _copy: Path) -> None:
    """To another disk, or another host: the old folder is still there, and may be gone back to."""
    elsewhere = worker.folder / f"state-{os.urandom(4).hex()}"
    shutil.copytree(worker.settings["state"]["dir"], elsewhere)
    worker.configure(state={"dir": str(elsewhere)})


def empty(worker: Worker, _copy: Path) -> None:
    """As people do to a volume, whose own folder can't be removed."""
    for path in worker.state.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    "forget", [restore, empty, *(pytest.param(one, marks=SLOW) for one in (lose, restore_all, move))]
)
def test_a_journal_that_forgot_is_halted_until_a_reset(
    dovecot: Mailbox, make_worker: MakeWorker, tmp_path: Path, forget: Callable[[Worker, Path], None]
) -> None:
    worker = impatient(make_worker)
    use_up(worker, 1)
    shutil.copytree(worker.state, tmp_path / "copy")
    use_up(worker, 3)
    sent = len(dovecot.history)
    for number in range(3):
        forget(worker, tmp_path / "copy")
        deploy(worker, f"Harbour-Colour-{number}")  # a changed password doesn't help either
        answer = worker.command("once")
        assert answer.code == 77, answer
        assert "login reset" in answer.err
    assert len(dovecot.history) == sent == 4
    login = worker.status()["login"]
    assert (login["state"], login["reason"]) == ("halted", "journal")

    deploy(worker, RIGHT)
    assert worker.once() == 77
    assert worker.command("login", "reset", "--reason", "the account is unlocked").code == 0
    gets_in(worker, dovecot)


@pytest.mark.slow
def test_a_rebuilt_journal_refills_nothing(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = impatient(make_worker)
    use_up(worker, 4)
    for _ in range(6):
        (worker.state / "journal.sqlite").write_bytes(b"not a database" * 1000)
        assert worker.command("journal", "rebuild").code in {75, 77, 78}
        worker.command("resume")
        assert worker.once() in {75, 77}
    assert checks(dovecot) <= BUDGET
    assert not dovecot.locked


# -- commands ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_check_connect_spends_from_the_budget_and_never_the_last(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = impatient(make_worker)
    for spent in range(4):
        answer = worker.command("check", "--connect")
        assert answer.code == 75, answer
        left = BUDGET - spent
        assert f"The worker has {left} attempt{'s' if left > 1 else ''} left" in answer.err
        assert dovecot.attempts == spent + 1
    for _ in range(3):
        answer = worker.command("check", "--connect")
        assert answer.code == 75
        assert "Only 1 attempt is left" in answer.err
        assert "Logging in" not in answer.err
        assert worker.command("reconcile").code == 75
    assert dovecot.attempts == 4
    assert worker.once() == 77  # which is the worker's own to spend
    assert dovecot.attempts == 5
    answer = worker.command("check", "--connect")
    assert (answer.code, "Logging in" in answer.err) == (77, False)


def test_a_second_reset_without_a_success_must_be_meant(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = impatient(make_worker)
    reset = ("login", "reset", "--reason", "unlocked")
    use_up(worker, 5)
    assert worker.command(*reset).code == 0
    use_up(worker, 2)
    answer = worker.command(*reset)
    assert answer.code != 0
    assert "--again" in answer.err
    assert failures(worker) == 2
    assert worker.command(*reset, "--again").code == 0
    assert failures(worker) == 0
    deploy(worker, RIGHT)
    gets_in(worker, dovecot)
    assert worker.command(*reset).code == 0


@pytest.mark.slow
def test_once_says_by_its_exit_code_whether_to_come_again(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = impatient(make_worker)
    assert [worker.once() for _ in range(7)] == [75, 75, 75, 75, 77, 77, 77]
    assert dovecot.attempts == 5
    patient = make_worker()
    deploy(patient, WRONG)
    assert [patient.once() for _ in range(3)] == [75, 75, 75]
    assert dovecot.attempts == 6  # the other one's five, and one


def trail(worker: Worker, kind: str) -> list[dict[str, Any]]:
    """The audit trail's lines of a kind."""
    return [json.loads(line) for line in worker.command("audit", "show", "--kind", kind, "--json").out.splitlines()]


def test_the_audit_trail_says_who_tried_and_how_it_ended(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker(settings={"lockout": AT_ONCE})
    assert worker.command("check", "--connect").code == 0
    dovecot.set_mood("expired")
    assert worker.once() == 77
    assert worker.command("login", "reset", "--reason", "a new password was set").code == 0
    assert worker.command("check", "--connect").code == 77
    [stopped] = trail(worker, "worker.stopped")
    assert (stopped["exit"], stopped["reason"]) == (77, "LoginFailed")
    person = f"{pwd.getpwuid(os.getuid()).pw_name}_"
    by_person = [line["who"].startswith(person) for line in trail(worker, "login.")]
    kinds = [line["kind"].removeprefix("login.") for line in trail(worker, "login.")]
    assert list(zip(kinds, by_person, strict=True)) == [
        ("attempted", True),
        ("answered", True),
        ("attempted", False),
        ("answered", False),
        ("halted", False),
        ("reset", True),
        ("attempted", True),
        ("answered", True),
        ("halted", True),
    ]
    assert all("remaining" in line for line in trail(worker, "login."))


@pytest.mark.parametrize("mood", ["disabled", "expired"])
def test_an_account_that_is_closed_is_left_alone(dovecot: Mailbox, make_worker: MakeWorker, mood: str) -> None:
    worker = make_worker(settings={"lockout": AT_ONCE})
    dovecot.set_mood(mood)  # type: ignore[arg-type] # the words of `Mood`
    codes = [worker.once() for _ in range(8)]
    assert len(dovecot.history) <= 5
    assert codes[-1] == 77
    if mood == "expired":
        assert dovecot.history == ["expired"]
    assert not dovecot.locked


def test_a_server_that_cant_check_passwords_costs_nothing(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = make_worker(settings={"lockout": AT_ONCE, "poll": {"reconnect": ["1ms"]}})
    dovecot.set_mood("tempfail")
    assert {worker.once() for _ in range(6)} <= {69, 75}
    assert failures(worker) == 0
    dovecot.set_mood("ok")
    gets_in(worker, dovecot)


# -- no durable count, no login ----------------------------------------------------------------------------------------


def under(worker: Worker, *prefix: str) -> subprocess.CompletedProcess[str]:
    """`once`, under another command, which takes something away from it."""
    return subprocess.run(
        [*prefix, COMMAND, "once", "--config", worker.config],
        capture_output=True,
        text=True,
        check=False,
        env=worker.environment(),
        cwd=worker.folder,
        timeout=60,
    )


@pytest.fixture
def read_only(make_worker: MakeWorker) -> Iterator[Worker]:
    """A worker that has been running well, and whose state folder then can't be written any more."""
    worker = make_worker()
    assert worker.once() == 0
    paths = [worker.state, *worker.state.rglob("*")]
    modes = [(path, path.stat().st_mode) for path in paths]
    for path, mode in modes:
        path.chmod(mode & ~0o222)
    yield worker
    for path, mode in modes:
        path.chmod(mode)


# root writes what it likes, unless it is without that right
POWERLESS = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()


def test_a_journal_that_cant_be_written_means_no_login(dovecot: Mailbox, read_only: Worker) -> None:
    logins = len(dovecot.history)
    answer = under(read_only, *POWERLESS)
    assert answer.returncode == 78, answer
    assert len(dovecot.history) == logins


@pytest.mark.parametrize("room", [0, 200, *(pytest.param(room, marks=SLOW) for room in (16, 100, 400))])
def test_no_room_for_the_count_means_no_login(dovecot: Mailbox, make_worker: MakeWorker, room: int) -> None:
    """No file may grow over so many kB, as on a full disk: what the server counts has its row, or isn't sent."""
    worker = impatient(make_worker)
    answer = under(worker, "prlimit", f"--fsize={room * 1024}")
    assert answer.returncode in {70, 75, 77, 78}, answer
    if dovecot.attempts:
        assert failures(worker) >= dovecot.attempts
    assert dovecot.attempts == 0 or room > 16


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root; the limit on a file's size is tested without")
@pytest.mark.parametrize("room", [128, *(pytest.param(room, marks=SLOW) for room in (64, 192, 256))])
def test_a_full_disk_means_no_login(dovecot: Mailbox, make_worker: MakeWorker, room: int) -> None:
    worker = impatient(make_worker)
    worker.state.mkdir()
    mounted = f"mount -t tmpfs -o size={room}k tmpfs '{worker.state}' && \"$@\" once --config '{worker.config}'"
    kept = f"{mounted}; code=$?; cp -r '{worker.state}' '{worker.folder}/kept'; exit $code"
    answer = subprocess.run(
        ["unshare", "-m", "sh", "-c", kept, "sh", COMMAND],
        capture_output=True,
        text=True,
        check=False,
        env=worker.environment(),
        timeout=60,
    )
    assert answer.returncode in {70, 75, 77, 78}, answer
    worker.configure(state={"dir": str(worker.folder / "kept")})
    if dovecot.attempts:
        assert failures(worker) >= dovecot.attempts


# -- the password ------------------------------------------------------------------------------------------------------


def test_a_password_from_the_environment(
    dovecot: Mailbox, make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = impatient(make_worker)
    worker.configure(account={"password_file": None})
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", WRONG)
    answer = worker.command("once")
    assert answer.code == 75
    assert "environment and restart the worker" in answer.err
    monkeypatch.setenv("NHSMAIL_ACCOUNT__PASSWORD", RIGHT)
    gets_in(worker, dovecot)


@pytest.mark.parametrize(
    ("mode", "file_mode", "good"),
    [
        (0o644, None, False),
        (0o640, None, False),
        (0o640, "group", True),
        (0o644, "group", False),
        (0o644, "any", True),
    ],
)
def test_who_may_read_the_password_file(
    dovecot: Mailbox, make_worker: MakeWorker, mode: int, file_mode: str | None, *, good: bool
) -> None:
    worker = make_worker()
    worker.configure(account={"password_file_mode": file_mode})
    (worker.folder / "password").chmod(mode)
    answer = worker.command("once")
    assert answer.code == (0 if good else 78)
    assert len(dovecot.history) == int(good)
    assert good or "chmod 600" in answer.err


def test_a_password_file_that_becomes_readable_is_used_once_it_is_not(
    dovecot: Mailbox, make_worker: MakeWorker
) -> None:
    worker = make_worker(settings={"poll": {"every": "100ms", "reconnect": ["0.1s"]}})
    with worker.running() as running:
        eventually(lambda: dovecot.history == ["ok"])
        eventually(lambda: worker.status()["last_poll"]["ok"])
        (worker.folder / "password").chmod(0o644)
        dovecot.kill_sessions()
        eventually(lambda: [one for one in worker.events("worker.not_ready") if "chmod 600" in one["advice"]])
        assert running.alive
        assert dovecot.history == ["ok"]
        (worker.folder / "password").chmod(0o600)
        eventually(lambda: dovecot.history == ["ok", "ok"])


@pytest.mark.parametrize("password", ["Short-1", "pathology.results-X1", "no-capitals-or-figures", "With Space-92"])
def test_a_password_that_breaks_the_policy_isnt_sent(dovecot: Mailbox, make_worker: MakeWorker, password: str) -> None:
    worker = impatient(make_worker)
    name = dovecot.address.partition("@")[0]
    deploy(worker, password.replace("pathology.results", name))
    for _ in range(3):
        answer = worker.command("once")
        assert answer.code == 77, answer
        assert "The worker didn't send the password" in answer.err
    assert dovecot.history == []
    login = worker.status()["login"]
    assert (login["state"], login["reason"], login["failures"]) == ("halted", "policy", 0)
    deploy(worker, RIGHT)
    gets_in(worker, dovecot)


def test_a_previous_password_isnt_sent(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = impatient(make_worker)
    deploy(worker, RIGHT)
    gets_in(worker, dovecot)
    dovecot.set_password("New-Password-58")
    deploy(worker, "New-Password-58")
    gets_in(worker, dovecot)
    deploy(worker, RIGHT)  # the old one comes back
    answer = worker.command("once")
    assert (answer.code, "four previous" in answer.err) == (77, True)
    assert dovecot.history == ["ok", "ok"]


def test_the_budget_leaves_the_reserve_to_people(dovecot: Mailbox, make_worker: MakeWorker) -> None:
    worker = impatient(make_worker, per_credential=50)
    for number in range(11):
        deploy(worker, f"Harbour-Colour-{number}")
        worker.once()
    assert dovecot.attempts == BUDGET == NHSMAIL_LOCKS_AFTER - 4
    with dovecot.client() as person:  # somebody who knows it
        person.noop()
    assert not dovecot.locked
