"""A dialogue that ends at any byte, in any of the ways in which a connection can end: what the count of attempts says.

The session, the guard and TLS are the real ones; only the journal is in memory.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import pytest

from tests.rig.cut import Cut
from tests.rig.scripted import ScriptedServer, Step, close, expect, greeting, hang, send
from tests.unit.login.world import Tokens, World
from worker.journal.attempts import SUCCEEDED
from worker.login.backoff import Lockout
from worker.login.guard import Guard
from worker.loop.connection import log_in
from worker.mailbox.errors import ConnectionLost, LoginFailed, MailboxError
from worker.mailbox.login_failures import FailureClass
from worker.mailbox.session import Endpoint, Session

F = FailureClass
Scripted = Callable[..., ScriptedServer]
How = Literal["end of file", "reset", "goodbye"]
HOWS: tuple[How, ...] = ("end of file", "reset", "goodbye")
Known = Literal["connecting", "unsent", "sent", "refused", "in", "listed"]
"""What the client can know once a line came whole: nothing yet; that the credential hasn't left; that it may have; that
it was refused; that it was taken; that the first command went well, too."""


@dataclass(frozen=True)
class Line:
    """A line of the server's. after: the command that it answers, if it is the first to do so."""

    text: str
    known: Known
    after: str | None = None

    @property
    def size(self) -> int:
        return len(self.text.replace("{tag}", "ABCD1")) + 2


CAPABILITIES = "IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2"
BEGUN = [
    Line(f"* OK [CAPABILITY {CAPABILITIES}] ready", "connecting"),
    Line(f"* CAPABILITY {CAPABILITIES}", "connecting", r"\w+ CAPABILITY"),
    Line("{tag} OK done", "unsent"),
]
DONE = [
    Line('* LIST (\\Noselect) "/" ""', "in", r"\w+ LIST .*"),
    Line('* LIST () "/" INBOX', "in"),
    Line("{tag} OK done", "listed"),
    Line("* 3 EXISTS", "listed", r"\w+ SELECT .*"),
    Line("* OK [UIDVALIDITY 14] x", "listed"),
    Line("* OK [UIDNEXT 9] x", "listed"),
    Line("{tag} OK [READ-WRITE] done", "listed"),
]
REFUSAL = "eyJzdGF0dXMiOiI0MDEifQ=="
DIALOGUES: dict[str, list[Line]] = {
    "password": [*BEGUN, Line("{tag} OK [CAPABILITY IMAP4rev1 IDLE] hello", "in", r"\w+ LOGIN .*"), *DONE],
    "wrong password": [*BEGUN, Line("{tag} NO [AUTHENTICATIONFAILED] LOGIN failed.", "refused", r"\w+ LOGIN .*")],
    "token": [*BEGUN, Line("+ ", "sent", r"\w+ AUTHENTICATE XOAUTH2"), Line("{tag} OK hello", "in", ".+"), *DONE],
    "wrong token": [
        *BEGUN,
        Line("+ ", "sent", r"\w+ AUTHENTICATE XOAUTH2"),
        Line(f"+ {REFUSAL}", "sent", ".+"),
        Line("{tag} NO AUTHENTICATE failed.", "refused", ""),
    ],
}


@dataclass(frozen=True)
class Case:
    """The server sends the lines before `line`, so many bytes of that, and ends the connection."""

    line: int
    upto: int
    how: How


def cases(lines: Sequence[Line], *, every_byte: bool) -> list[Case]:
    """Every byte, or the middle and the end of each line, in one of the three ways; line ends in all of them."""
    found = []
    for number, line in enumerate(lines):
        sizes = range(line.size) if every_byte else (line.size // 2,)
        found += [Case(number, size, HOWS[(number + size) % len(HOWS)]) for size in sizes]
        found += [Case(number, line.size, how) for how in (HOWS if every_byte else HOWS[number % 3 :][:1])]
    return found


def script(lines: Sequence[Line], case: Case) -> list[Step]:
    steps: list[Step] = []
    for number, line in enumerate(lines[: case.line + 1]):
        steps += [] if line.after is None else [expect(line.after)]
        steps.append(send(line.text, case.upto if number == case.line else None))
    return [*steps, close(reset=case.how == "reset", notify=case.how == "goodbye")]


def known(lines: Sequence[Line], case: Case) -> set[Known]:
    """What the client may know. A reset may overtake the bytes before it."""
    whole = case.line + (case.upto >= lines[case.line].size)
    before: list[Known] = ["connecting", *(line.known for line in lines[:whole])]
    return set(before) if case.how == "reset" else {before[-1]}


def visit(session: Session, guard: Guard) -> None:
    log_in(session, guard)
    session.select("INBOX")
    session.noop()


def connect(session: Session) -> None:
    session.connect()
    session.noop()


def run(server: ScriptedServer, dialogue: str) -> tuple[World, MailboxError]:
    world = World(Lockout(jitter=0.0))
    if "token" in dialogue:
        world.processes[0][0].source = Tokens()
    session = Session(Endpoint(server.host, server.port, ca_file=server.ca_file, connect_timeout=5.0, read_timeout=5.0))
    with pytest.raises(MailboxError) as caught:
        visit(session, world.processes[0][1])
    session.close()
    return world, caught.value


def check(dialogue: str, may_know: set[Known], world: World, error: MailboxError) -> None:
    kind = "token" if "token" in dialogue else "password"
    rows = [(row.outcome, row.counts) for row in world.store.records]
    lost = (F.LOST_AFTER_SENDING, kind == "password")
    right: dict[Known, list[tuple[str, bool]]] = {
        "connecting": [],
        "unsent": [lost if kind == "password" else (F.LOST_BEFORE_SENDING, False)],
        "sent": [lost],
        "refused": [(F.REJECTED if kind == "password" else F.TOKEN_REJECTED, True)],
        "in": [lost],
        "listed": [(SUCCEEDED, False)],
    }
    assert rows in [right[what] for what in may_know]
    assert type(error) is (LoginFailed if rows and rows != [(SUCCEEDED, False)] else ConnectionLost) or "in" in may_know
    assert isinstance(error, LoginFailed | ConnectionLost)
    refused = rows == right["refused"]
    assert refused is (isinstance(error, LoginFailed) and error.failure.cls in {F.REJECTED, F.TOKEN_REJECTED})


def cut_and_check(scripted: Scripted, dialogue: str, *, every_byte: bool) -> None:
    lines = DIALOGUES[dialogue]
    chosen = cases(lines, every_byte=every_byte)
    server = scripted(*(script(lines, case) for case in chosen))
    for case in chosen:
        world, error = run(server, dialogue)
        try:
            check(dialogue, known(lines, case), world, error)
        except AssertionError as wrong:
            wrong.add_note(f"{case}: {[(row.outcome, row.counts) for row in world.store.records]}, {error!r}")
            raise
    server.finish()
    server.faults.clear()  # a client that leaves before the script's end is what is tested


@pytest.mark.parametrize("dialogue", DIALOGUES)
def test_a_dialogue_cut_at_any_line_is_counted_as_what_it_is(scripted: Scripted, dialogue: str) -> None:
    cut_and_check(scripted, dialogue, every_byte=False)


@pytest.mark.parametrize(
    "dialogue",
    [pytest.param(name, marks=pytest.mark.long if "token" in name else pytest.mark.slow) for name in DIALOGUES],
)
def test_a_dialogue_cut_at_any_byte_is_counted_as_what_it_is(scripted: Scripted, dialogue: str) -> None:
    cut_and_check(scripted, dialogue, every_byte=True)


@pytest.mark.parametrize("reset", [False, True], ids=["end of file", "reset"])
def test_tls_cut_at_any_byte_is_a_lost_connection_and_never_about_the_certificate(
    scripted: Scripted, *, reset: bool
) -> None:
    """From the first byte of the handshake on, in the midst of records, too."""
    sizes = range(0, 2_000, 40)
    server = scripted(*([*greeting(CAPABILITIES), hang()] for _ in sizes))
    with Cut(server.port) as relay:
        for relay.after in sizes:
            relay.reset = reset
            session = Session(Endpoint(server.host, relay.port, ca_file=server.ca_file, connect_timeout=5.0))
            with pytest.raises(ConnectionLost) as caught:
                connect(session)
            session.close()
            assert type(caught.value) is ConnectionLost, relay.after
    server.finish()
    server.faults.clear()  # many of its connections were cut before there was TLS
