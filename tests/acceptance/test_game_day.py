"""The game day: each fault is produced from outside, and what the operator sees of it must be what the table says.

docs/game-day.md holds the table. With GAME_DAY=write in the environment its rows are written anew from what was seen.
"""

import contextlib
import os
import re
import shlex
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.test_disk import limit
from tests.rig.dovecot import Mailbox
from tests.rig.gameday import Day, Seen, day, settled, timeless
from tests.rig.letters import letter, letters, spam
from tests.rig.ports import free_port
from tests.rig.postgres import Postgres
from tests.rig.proxy import Answer, Proxy
from tests.rig.tls import Authority
from tests.rig.token_endpoint import TokenEndpoint, refusal, tokens
from tests.rig.worker import Worker, eventually
from tests.unit.project.test_docs import SECTIONS

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[2] / "docs" / "game-day.md"
WRITE = os.environ.get("GAME_DAY") == "write"
MakeWorker = Callable[..., Worker]

PENDING = 'nhsmail_messages{state="pending"}'
UNREACHABLE = 'nhsmail_polls_total{outcome="unreachable"}'
LEFT = "nhsmail_login_attempts_left"
GOOD = "nhsmail_journal_up"
OTHER_PASSWORD = "Another-Harbour-93"


class Stage:
    """What a fault is made with: the day, and what stands around the worker."""

    def __init__(self, one: Day, proxy: Proxy, other: Authority, endpoint: TokenEndpoint, folder: Path) -> None:
        self.day, self.proxy, self.other, self.endpoint, self.folder = one, proxy, other, endpoint, folder

    @property
    def box(self) -> Mailbox:
        return self.day.box

    @property
    def worker(self) -> Worker:
        return self.day.worker

    def answers(self, command: str, *lines: str) -> None:
        """From now on the server says this to such a command."""
        self.proxy.on(command, Answer(*lines), times=None)

    def refuses_login(self, text: str) -> None:
        """A login is answered so; the worker starts."""
        self.answers("^(LOGIN|AUTHENTICATE)", f"{{tag}} NO {text}")
        self.begin()

    def begin(self) -> None:
        self.day.begin()

    def works(self) -> None:
        """It has begun, and is ready."""
        self.begin()
        self.day.working()

    def event(self, name: str) -> None:
        """Wait until this was logged."""
        assert self.day.process is not None
        try:
            eventually(lambda: name in self.day.loud(), what=name)
        except AssertionError as error:
            raise AssertionError(f"{error}: {''.join(self.day.process.lines)[-3000:]}") from None

    def handlers(self, *names: str, route: dict[str, Any] | None = None, **tables: dict[str, Any]) -> None:
        self.worker.routes = [{"name": "all", "handlers": list(names), **(route or {})}]
        self.worker.configure(**tables)


# -- the faults --------------------------------------------------------------------------------------------------------


def wrong_password(stage: Stage) -> None:
    stage.box.set_password(OTHER_PASSWORD)
    stage.begin()
    stage.event("worker.not_ready")


def wrong_password_again_and_again(stage: Stage) -> None:
    stage.worker.configure(lockout={"waits": ["100ms"]})
    wrong_password(stage)
    stage.event("login.halted")


def policy_broken(stage: Stage) -> None:
    (stage.worker.folder / "password").write_text("short")
    stage.begin()
    stage.event("login.refused")


def account_locked(stage: Stage) -> None:
    stage.refuses_login("[AUTHENTICATIONFAILED] Your account has been locked.")
    stage.event("login.halted")


def account_disabled(stage: Stage) -> None:
    stage.refuses_login("[CONTACTADMIN] The account has been disabled.")
    stage.event("login.halted")


def password_expired(stage: Stage) -> None:
    stage.box.set_mood("expired")
    stage.begin()
    stage.event("login.halted")


def passwords_not_taken(stage: Stage) -> None:
    stage.refuses_login("Basic authentication is disabled.")
    stage.event("login.halted")


def signed_in(stage: Stage) -> None:
    """A person signed in; the token has run out, and the endpoint gives no other."""
    oauth: dict[str, Any] = {"tenant": "tenant", "client_id": "client", "authority": stage.endpoint.url}
    account: dict[str, Any] = {"auth": "oauth2-device", "password_file": None}
    stage.worker.configure(**{"account": account, "account.oauth": oauth})
    stage.endpoint.answers.append(tokens(stage.box.token(), user=stage.box.address, expires_in=1))
    assert stage.worker.command("login", "authorise").code == 0


def sign_in_ended(stage: Stage) -> None:
    signed_in(stage)
    stage.endpoint.answers += [refusal(700082)] * 9
    stage.begin()
    stage.event("login.halted")


def token_rejected(stage: Stage) -> None:
    secret = stage.worker.folder / "client-secret"
    secret.touch(mode=0o600)
    secret.write_text("application-secret-7Q~")
    oauth: dict[str, Any] = {"tenant": "t", "client_id": "c", "authority": stage.endpoint.url}
    oauth["client_secret_file"] = str(secret)
    account: dict[str, Any] = {"auth": "oauth2-client", "password_file": None}
    stage.worker.configure(**{"account": account, "account.oauth": oauth}, lockout={"waits": ["700ms"], "jitter": 0.0})
    stage.endpoint.answers += [tokens(stage.box.token(lasts=-60), refresh=None)] * 9
    stage.begin()
    stage.event("login.halted")


def password_file_missing(stage: Stage) -> None:
    (stage.worker.folder / "password").unlink()
    stage.day.begin(live=False).popen.wait(30)


def password_file_taken_away(stage: Stage) -> None:
    stage.works()
    (stage.worker.folder / "password").unlink()
    stage.proxy.cut()
    stage.event("worker.not_ready")


def disk_full(stage: Stage) -> None:
    stage.works()
    assert stage.day.process is not None
    limit(stage.day.process.popen, 0)
    stage.box.append_many("INBOX", letters(2))
    stage.event("journal.unavailable")


def state_read_only(stage: Stage) -> None:
    assert stage.worker.once() == 0
    script = 'mount --bind "$1" "$1"; mount -o remount,ro,bind "$1"; shift; exec "$@"'  # in a namespace of its own
    prefix = ("unshare", "--mount", "sh", "-euc", script, "sh", str(stage.worker.state))
    stage.day.begin(*prefix, live=False).popen.wait(30)


def journal_damaged(stage: Stage) -> None:
    assert stage.worker.once() == 0
    journal = stage.worker.state / "journal.sqlite"
    raw = bytearray(journal.read_bytes())
    raw[100:4096] = bytes(len(raw[100:4096]))
    journal.write_bytes(bytes(raw))
    stage.day.begin(live=False).popen.wait(30)


def journal_lost(stage: Stage) -> None:
    stage.box.set_password(OTHER_PASSWORD)
    assert stage.worker.once() == 75
    for file in stage.worker.state.glob("journal.sqlite*"):
        file.unlink()
    stage.begin()
    stage.event("worker.not_ready")


def database_lost(stage: Stage) -> None:
    server = stage.day.stack.enter_context(Postgres())
    secret = stage.worker.folder / "journal"
    secret.touch(mode=0o600)
    secret.write_text(server.fresh_url())
    stage.worker.configure(state={"journal_file": str(secret)})
    stage.works()
    server.stop(abruptly=True)
    stage.event("journal.unavailable")


def lease_elsewhere(stage: Stage) -> None:
    other = stage.worker.process("run", NHSMAIL_HEALTH__LISTEN="127.0.0.1:0")
    stage.day.stack.callback(other.wait, 30)
    stage.day.stack.callback(other.terminate)
    eventually(lambda: stage.worker.state.exists() and stage.worker.status()["lease"]["holder"], what="the lease")
    stage.begin()


def handler_fails(stage: Stage) -> None:
    stage.handlers("no", **{"handler.no": {"use": "tests.rig.handlers:Failing"}})
    stage.works()
    stage.box.append_many("INBOX", letters(1))
    stage.event("handler.failed")


def handler_slow(stage: Stage) -> None:
    stage.handlers("ledger", work={"threads": 1}, alerts={"oldest_message": "1s"})
    stage.works()
    stage.worker.hold.touch()
    stage.day.stack.callback(stage.worker.hold.unlink, missing_ok=True)
    stage.box.append_many("INBOX", letters(3))
    eventually(lambda: ("oldest-message", "firing") in stage.day.received.alerts(), what="the alert")


def handler_hangs(stage: Stage) -> None:
    stage.handlers("poison", **{"handler.poison": {"use": "tests.rig.handlers:Poison"}})
    stage.worker.configure(work={"threads": 1, "grace": "100ms"}, health={"stuck_after": "1s"})
    stage.works()
    stage.box.append_many("INBOX", [letter(1, extra=b"X-Poison: hang\r\n"), letter(2)])
    eventually(lambda: stage.day.window.code("/livez") == 503, what="not live")
    stage.event("handler.stuck")


def poison(stage: Stage) -> None:
    stage.handlers("poison", **{"handler.poison": {"use": "tests.rig.handlers:Poison"}})
    stage.worker.configure(limits={"deaths": 2})
    stage.box.append_many("INBOX", [letter(1, extra=b"X-Poison: exit\r\n")])
    while True:  # as an engine does that restarts what has died
        process = stage.day.begin(live=False)
        eventually(
            lambda process=process: process.popen.poll() is not None or "message.poison" in stage.day.loud()  # type: ignore[misc]
        )
        if process.popen.poll() is None:
            return


def oversize(stage: Stage) -> None:
    stage.worker.configure(limits={"message": "10KiB", "header_bytes": "10KiB", "attachment": "10KiB"})
    stage.works()
    stage.box.append_many("INBOX", [letter(1, size=20_000)])
    stage.event("message.oversize")


def dead_letters(stage: Stage) -> None:
    stage.handlers("no", route={"tries": 1}, **{"handler.no": {"use": "tests.rig.handlers:Failing", "how": "reject"}})
    stage.works()
    stage.box.append_many("INBOX", letters(2))
    stage.event("message.dead_letter")


def way_for_alerts_down(stage: Stage) -> None:
    """The relay is away; the webhook is there."""
    table = {"host": "127.0.0.1", "port": free_port(), "from": "worker@trust.nhs.uk", "to": ["duty.team@nhs.net"]}
    stage.worker.configure(**{"alerts.relay": table})
    dead_letters(stage)
    stage.event("alert.not_sent")


def junk_of_known_sender(stage: Stage) -> None:
    stage.works()
    stage.box.append_many("INBOX", letters(1))
    eventually(lambda: len(stage.worker.handed()) == 1)
    stage.box.append_many("INBOX", [spam(2)])
    eventually(lambda: ("junk-of-known-sender", "firing") in stage.day.received.alerts(), what="the alert")


def server_throttles(stage: Stage) -> None:
    stage.works()
    stage.answers(
        "^(STATUS|SELECT|NOOP|UID|SEARCH|IDLE|LIST)",
        "{tag} NO Request is throttled. Suggested Backoff Time: 240000 milliseconds",
    )
    stage.proxy.cut()
    stage.event("connection.lost")


def login_throttled(stage: Stage) -> None:
    stage.refuses_login("Request is throttled. Suggested Backoff Time: 240000 milliseconds")
    stage.event("worker.not_ready")


def server_unreachable(stage: Stage) -> None:
    stage.works()
    stage.proxy.refuse()
    stage.event("connection.lost")


def server_unreachable_for_longer(stage: Stage) -> None:
    server_unreachable(stage)
    eventually(lambda: ("not-polling", "firing") in stage.day.received.alerts(), 60, "the alert")


def wrong_certificate(stage: Stage) -> None:
    stage.worker.configure(account={"ca_file": str(stage.other.ca_file)})
    stage.begin()
    stage.event("connection.lost")


def cannot_move(stage: Stage) -> None:
    stage.proxy.without("MOVE", "UIDPLUS")
    stage.begin()
    stage.event("worker.not_ready")


def folder_missing(stage: Stage) -> None:
    stage.worker.configure(poll={"folders": ["INBOX", "Results"]})
    stage.begin()
    stage.event("worker.not_ready")


def clock_jumps(stage: Stage, seconds: float) -> None:
    """It works; then the machine's clock isn't what it was."""
    jump = stage.folder / "jump"
    stage.day.begin(module=("tests.rig.clocked", str(jump)))
    stage.day.working()
    part = stage.folder / "jump.part"
    part.write_text(str(seconds))
    part.rename(jump)
    stage.box.append_many("INBOX", letters(1))
    eventually(lambda: len(stage.box.stored("Processed")) == 1, what="mail after the jump")


def clock_back(stage: Stage) -> None:
    clock_jumps(stage, -86_400)


def clock_on(stage: Stage) -> None:
    clock_jumps(stage, 86_400)


def port_in_use(stage: Stage) -> None:
    taken = stage.day.stack.enter_context(socket.socket())
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    elsewhere = {"NHSMAIL_HEALTH__LISTEN": f"127.0.0.1:{taken.getsockname()[1]}"}
    process = stage.worker.process("run", **elsewhere)
    stage.day.stack.callback(process.wait, 30)
    stage.day.stack.callback(process.terminate)
    eventually(lambda: '"http.not_listening"' in stage.worker.process_log, what="http.not_listening")


def process_killed(stage: Stage) -> None:
    stage.works()
    assert stage.day.process is not None
    stage.day.process.popen.send_signal(signal.SIGKILL)
    stage.day.process.popen.wait(10)


@dataclass(frozen=True)
class Fault:
    """A fault: how it is called, what produces it, and where the runbook's first step for it leads.

    metric: the sample to look at. heading: of the runbook. tells: what the command that the first step names says, as
    a part of its output; None: the first step is no command of ours.
    """

    name: str
    produce: Callable[[Stage], None]
    metric: str
    heading: str
    tells: str | None = None
    settle: float = 1.0


HALTED = "NhsmailHalted · halted"
NOT_POLLING = "NhsmailNotPolling · not-polling"
JOURNAL = "NhsmailJournal · journal"
FAULTS = [
    Fault("wrong password, first attempt", wrong_password, LEFT, "login.cooling"),
    Fault(
        "wrong password, again and again", wrong_password_again_and_again, LEFT, HALTED, "failed as often as the worker"
    ),
    Fault("password that breaks the policy", policy_broken, LEFT, "login.refused"),
    Fault("account locked", account_locked, "nhsmail_login_halted", HALTED, "The account is locked."),
    Fault("account disabled", account_disabled, "nhsmail_login_halted", HALTED, "disabled"),
    Fault("password expired", password_expired, "nhsmail_login_halted", HALTED, "The password has expired."),
    Fault("passwords no longer taken (OAuth wanted)", passwords_not_taken, "nhsmail_login_halted", HALTED, "`auth`"),
    Fault("OAuth sign-in ended", sign_in_ended, "nhsmail_login_halted", HALTED, "login authorise"),
    Fault("OAuth token rejected", token_rejected, "nhsmail_login_halted", HALTED, "OAuth tokens"),
    Fault("password file missing at the start", password_file_missing, "", "Exit code 78", "can't be read"),
    Fault(
        "password file taken away while at work",
        password_file_taken_away,
        'nhsmail_polls_total{outcome="no-credential"}',
        "worker.not_ready",
    ),
    Fault("disk full", disk_full, GOOD, JOURNAL),
    Fault("state folder read-only", state_read_only, "", "Exit code 78"),
    Fault("journal damaged", journal_damaged, "", "Exit code 78"),
    Fault("journal lost after a failed login", journal_lost, "nhsmail_login_halted", HALTED, "forgotten"),
    Fault("PostgreSQL lost", database_lost, GOOD, JOURNAL),
    Fault("lease held by another replica", lease_elsewhere, "nhsmail_lease_held", "Standing by"),
    Fault("handler raises errors", handler_fails, PENDING, "handler.failed"),
    Fault("slow handler", handler_slow, PENDING, "NhsmailOldestMessage · oldest-message"),
    Fault("hanging handler, all threads", handler_hangs, "nhsmail_handlers_stuck", "handler.stuck"),
    Fault("poison message", poison, "nhsmail_dead_letters", "message.poison"),
    Fault(
        "oversize message",
        oversize,
        "nhsmail_dead_letters",
        "message.oversize",
        "larger than `message` under `[limits]`",
    ),
    Fault("dead letters", dead_letters, "nhsmail_dead_letters", "NhsmailDeadLetters · dead-letters", "no"),
    Fault(
        "one way for alerts down, of two",
        way_for_alerts_down,
        "nhsmail_dead_letters",
        "An alert that didn't arrive",
        "relay: not sent",
    ),
    Fault(
        "junk of a known sender",
        junk_of_known_sender,
        "nhsmail_junk_of_known_senders",
        "NhsmailJunkOfKnownSender · junk-of-known-sender",
        "spam",
    ),
    Fault("server throttles the mailbox", server_throttles, 'nhsmail_polls_total{outcome="throttled"}', NOT_POLLING),
    Fault("server throttles the login", login_throttled, LEFT, "login.cooling"),
    Fault("server unreachable, first minute", server_unreachable, GOOD, NOT_POLLING),
    Fault("server unreachable for longer", server_unreachable_for_longer, GOOD, NOT_POLLING),
    Fault("certificate not trusted", wrong_certificate, 'nhsmail_polls_total{outcome="certificate"}', NOT_POLLING),
    Fault("server without MOVE and UIDPLUS", cannot_move, 'nhsmail_polls_total{outcome="mailbox"}', "worker.not_ready"),
    Fault("watched folder missing", folder_missing, 'nhsmail_polls_total{outcome="mailbox"}', "worker.not_ready"),
    Fault("clock set back a day", clock_back, GOOD, "The clock"),
    Fault("clock set on a day", clock_on, GOOD, "The clock"),
    Fault("process killed", process_killed, "", "NhsmailDown"),
]


@pytest.fixture
def endpoint(authority: Authority) -> Iterator[TokenEndpoint]:
    with TokenEndpoint(authority) as found:
        yield found


@pytest.fixture
def stage(
    request: pytest.FixtureRequest,
    dovecot: Mailbox,
    proxy: Proxy,
    make_worker: MakeWorker,
    endpoint: TokenEndpoint,
    tmp_path: Path,
) -> Iterator[Stage]:
    fault: Fault = request.param
    settings = {"poll": {"every": "1s", "reconnect": ["200ms"]}, "lockout": {"waits": ["1h"]}}
    worker = make_worker(proxy, settings=settings)
    with day(dovecot, worker, tmp_path, fault.metric) as one:
        yield Stage(one, proxy, Authority(tmp_path / "other-ca"), endpoint, tmp_path)


def row_of(fault: Fault, seen: Seen) -> str:
    anchor = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", fault.heading).strip().lower())
    cells = (fault.name, *seen.cells(), f"[{fault.heading}](runbook.md#{anchor})")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def rows() -> dict[str, str]:
    """The table's rows by the fault's name."""
    found = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in found}


def write(fault: Fault, row: str) -> None:
    """Put a row into the table."""
    there = {**rows(), fault.name: row}
    head, _, _ = PAGE.read_text().partition("|---|")
    ordered = [there[one.name] for one in FAULTS if one.name in there]
    PAGE.write_text("\n".join([f"{head}|---|---|---|---|---|---|---|", *ordered]) + "\n")


@pytest.mark.parametrize("stage", FAULTS, indirect=True, ids=lambda fault: fault.name)
def test_what_the_operator_sees(stage: Stage, request: pytest.FixtureRequest) -> None:
    fault: Fault = request.node.callspec.params["stage"]
    fault.produce(stage)
    if not WRITE:
        wait_for_row(fault, stage)
    row = row_of(fault, settled(stage.day, fault.settle))
    if WRITE:
        write(fault, re.sub(r"\b[\w.-]+:\d+:\w+ works", "host:4711:0a50c5 works", row))
    assert timeless(row) == timeless(rows()[fault.name]), "GAME_DAY=write writes the rows anew"
    the_first_step_is_right(fault, stage)


def wait_for_row(fault: Fault, stage: Stage) -> None:
    """Wait until the page, log and alerts say what the table says: on a slow disk the journal's note comes late."""
    written = timeless(rows()[fault.name])
    with contextlib.suppress(AssertionError):  # the comparison that follows shows the difference
        eventually(lambda: timeless(row_of(fault, stage.day.seen())) == written, 20)


def the_first_step_is_right(fault: Fault, stage: Stage) -> None:
    """Where the runbook's first step is a command of the worker, it says what the matter is."""

    section = SECTIONS[fault.heading]
    first = section.partition("First:")[2]
    if fault.tells is None:
        return
    command = re.search(r"`nhsmail-worker ([^`]+)`", first) or re.search(r"`(failed [^`]+)`", first)
    assert command is not None, "the first step names no command"
    keys = [line[0] for line in stage.worker.rows("SELECT key FROM message")] if "KEY" in command[1] else ["KEY"]
    answer = stage.worker.installed(*shlex.split(command[1].replace("KEY", keys[0])))
    assert fault.tells in answer.out + answer.err, (command[1], answer)
