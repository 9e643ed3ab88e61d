"""Whatever a correct server answers first, a session with commands in flight finds what one command at a time finds."""

import io
import random
import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from worker.mailbox import uid_sets
from worker.mailbox.errors import CommandRefused, ConnectionLost, MailboxError
from worker.mailbox.session import Endpoint, Sent, Session
from worker.mailbox.wire import Wire

FOLDERS = ("INBOX", "Junk Email", "Processed")
READ, MOVED = range(4, 9), range(1, 4)
"""UIDs that are read, and UIDs that are moved: what is moved can't be read ahead as well."""
DAY = b'INTERNALDATE "01-Jan-2024 10:00:00 +0000"'
SPACE = re.compile(r' (?=(?:[^"]*"[^"]*")*[^"]*$)')


@dataclass
class Folder:
    number: int
    uids: set[int] = field(default_factory=lambda: set(range(1, 9)))
    uidnext: int = 9

    def arrive(self) -> int:
        self.uids.add(self.uidnext)
        self.uidnext += 1
        return self.uidnext - 1


@dataclass
class Command:
    name: str
    tag: str
    arguments: Sequence[str]
    said: deque[bytes] | None = None

    @property
    def opens(self) -> bool:
        return self.name in ("SELECT", "EXAMINE")


class Server:
    """Carries commands out in their order, and answers those that can't affect one another in any order.

    mixed: decides about the order, and about the form of each answer. None: one command after the other.
    late: whether it works in order, but says that a command is done only when it has nothing else to say, as Dovecot
    does. lines: after so many the connection ends; None: never.
    """

    def __init__(self, mixed: random.Random | None, *, late: bool = False) -> None:
        self.mixed = mixed
        self.late = late
        self.lines: int | None = None
        self.folders = {name: Folder(number) for number, name in enumerate(FOLDERS, 14)}
        self.selected: Folder | None = None
        self.has_news = False
        self.commands: list[Command] = []
        self.taken = b""
        self.out = io.BytesIO(b"* OK ready\r\n")

    def arrive(self, name: str) -> None:
        self.folders[name].arrive()
        self.has_news |= self.selected is self.folders[name]

    # -- what the client reads and writes

    def readline(self, _most: int) -> bytes:
        if self.lines is not None:
            self.lines -= 1
            if self.lines < 0:
                return b""
        if not (line := self.out.readline()):
            self._answer()
            line = self.out.readline()
        return line

    def read(self, size: int) -> bytes:
        return self.out.read(size)

    def peek(self, _size: int) -> bytes:
        return b""

    def close(self) -> None:
        pass

    def settimeout(self, _seconds: float | None) -> None:
        pass

    def gettimeout(self) -> None:
        pass

    def shutdown(self, _how: int) -> None:
        pass

    def take(self, data: bytes) -> None:
        self.taken += data
        while b"\r\n" in self.taken:
            line, _, self.taken = self.taken.partition(b"\r\n")
            self._take(line.decode())

    def _take(self, line: str) -> None:
        tag, name, *rest = SPACE.split(line)
        if name == "UID":
            name, *rest = rest
        self.commands.append(Command(name, tag, [one.strip('"') for one in rest]))

    def _answer(self) -> None:
        command = self._answered_next()
        assert command.said is not None
        self.out = io.BytesIO(command.said.popleft())
        if not command.said:
            self.commands.remove(command)

    def _answered_next(self) -> Command:
        for place, command in enumerate(self.commands):
            alone = command.opens or (self.mixed is None and not self.late)
            if place and (alone or self.commands[0].opens):
                break
            if command.said is None:
                command.said = deque(self._carried_out(command))
            if self.late and len(command.said) > 1:
                return command
        begun = [command for command in self.commands if command.said is not None]
        return begun[0] if self.mixed is None else self.mixed.choice(begun)

    # -- what the commands do

    def _carried_out(self, command: Command) -> list[bytes]:
        said, end = self._said(command)
        if self.has_news and self.selected is not None and not command.opens:
            said.insert(0, b"* %d EXISTS\r\n" % len(self.selected.uids))
            self.has_news = False
        if self.mixed is not None and self.selected is not None:
            flagged = b"* 2 FETCH (FLAGS (\\Seen) UID %d)\r\n" % self.mixed.choice(READ)
            said.insert(self.mixed.randrange(len(said) + 1), flagged)
        return [*said, f"{command.tag} {end}\r\n".encode()]

    def _said(self, command: Command) -> tuple[list[bytes], str]:
        does: Callable[..., tuple[list[bytes], str]] | None = getattr(self, f"_{command.name.lower()}", None)
        return ([], "OK done") if does is None else does(*command.arguments)

    def _capability(self) -> tuple[list[bytes], str]:
        return [b"* CAPABILITY IMAP4rev1 MOVE UIDPLUS IDLE\r\n"], "OK done"

    def _select(self, name: str) -> tuple[list[bytes], str]:
        self.selected, self.has_news = self.folders.get(name), False
        if self.selected is None:
            return [], "NO [NONEXISTENT] no such folder"
        lines = (b"%d EXISTS" % len(self.selected.uids), b"OK [UIDNEXT %d] next" % self.selected.uidnext)
        return [b"* %b\r\n" % line for line in (*lines, b"OK [UIDVALIDITY %d] valid" % self.selected.number)], "OK done"

    _examine = _select

    def _status(self, name: str, *_items: str) -> tuple[list[bytes], str]:
        folder = self.folders[name]
        said = f'"{name}" (MESSAGES {len(folder.uids)} UIDNEXT {folder.uidnext} UIDVALIDITY {folder.number})'
        return [b"* STATUS %b\r\n" % said.encode()], "OK done"

    def _search(self, *criteria: str) -> tuple[list[bytes], str]:
        if self.selected is None:
            return [], "BAD Command received in Invalid state."
        first, _, last = criteria[-1].replace("*", "999999").partition(":")
        shown = [uid for uid in sorted(self.selected.uids) if int(first) <= uid <= int(last)]
        return [b"* SEARCH %b\r\n" % " ".join(map(str, shown)).encode()], "OK done"

    def _fetch(self, which: str, *items: str) -> tuple[list[bytes], str]:
        if self.selected is None:
            return [], "BAD Command received in Invalid state."
        wanted = self.selected.uids if which == "1:*" else set(uid_sets.expand(which)) & self.selected.uids
        said = [line for uid in self._in_any_order(wanted) for line in self._fetched(uid, "".join(items))]
        return said, "OK done"

    def _fetched(self, uid: int, items: str) -> list[bytes]:
        folder = self.selected.number if self.selected is not None else 0
        content = b"Subject: %d of %d\r\n" % (uid, folder) + b"\r\n) %d OK\r\n" % uid * uid
        parts = [DAY] if "INTERNALDATE" in items else []
        if "HEADER" in items:
            parts += [b"FLAGS ()", b"RFC822.SIZE 90", b"BODY[HEADER]<0> {%d}\r\n%b" % (len(content), content)]
        elif "BODY" in items:
            parts += [b"BODY[]<0> {%d}\r\n%b" % (len(content), content)]
        parts = self._in_any_order(parts)
        cut = self.mixed.randrange(len(parts)) if self.mixed is not None and len(parts) > 1 else 0
        both = [some for some in (parts[:cut], parts[cut:]) if some]
        return [b"* 1 FETCH (%b)\r\n" % b" ".join(self._in_any_order([*some, b"UID %d" % uid])) for some in both]

    def _in_any_order(self, these: Any) -> list[Any]:
        return sorted(these) if self.mixed is None else self.mixed.sample(sorted(these), len(these))

    def _move(self, which: str, target: str) -> tuple[list[bytes], str]:
        if target not in self.folders or self.selected is None:
            return [], "NO [TRYCREATE] no such folder"
        gone = sorted(set(uid_sets.expand(which)) & self.selected.uids)
        self.selected.uids -= set(gone)
        new = [self.folders[target].arrive() for _ in gone]
        if not gone:
            return [], "OK done"
        pairs = f"[COPYUID {self.folders[target].number} {uid_sets.compress(gone)} {uid_sets.compress(new)}] moved"
        expunged = [b"* 1 EXPUNGE\r\n" for _ in gone]
        if self.mixed is not None and self.mixed.random() < 0.5:
            return expunged, f"OK {pairs}"
        return [f"* OK {pairs}\r\n".encode(), *expunged], "OK done"


class InMemory(Wire):
    server: Server

    def open(self, host: str = "", port: int = 993, timeout: float | None = None) -> None:
        self.sock: Any = self.server
        self._reader: Any = self.server

    def send(self, data: bytes) -> None:
        self.server.take(data)


def session_with(server: Server) -> Session:
    session = Session(Endpoint("imap.example", 993))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("worker.mailbox.imap_client.Wire", type("ItsWire", (InMemory,), {"server": server}))
        patched.setattr("worker.mailbox.imap_connection.verified_context", lambda _: None)
        session.connect()
    session.login("pathology.results@nhs.net", "Bright-Harbour-92")
    return session


Step = tuple[str, tuple[int, ...], str, int]
uids = st.lists(st.sampled_from(READ), min_size=1, unique=True).map(lambda found: tuple(sorted(found)))
on_messages = st.one_of(
    st.tuples(st.sampled_from(["ask heads", "heads", "ask bodies", "bodies", "some"]), uids, st.just(""), st.just(0)),
    st.just(("discard", (), "", 0)),
    st.tuples(st.just("move"), st.just(()), st.sampled_from([*FOLDERS, "Nowhere"]), st.sampled_from(MOVED)),
)
steps = st.one_of(
    on_messages,
    st.tuples(st.sampled_from(["open", "arrives", "days"]), st.just(()), st.sampled_from(FOLDERS), st.just(0)),
    st.tuples(st.sampled_from(["glance", "moved", "lost"]), st.just(()), st.just(""), st.just(0)),
)


def found_by(session: Session, server: Server, program: Sequence[Step]) -> list[object]:
    session.select_and_search("INBOX")
    moving: list[Sent] = []
    found = [outcome(session, server, step, moving) for step in program]
    return [*found, [moved(session, sent) for sent in moving], states(session)]


def outcome(session: Session, server: Server, step: Step, moving: list[Sent]) -> object:
    what, _, folder, _ = step
    match what:
        case "arrives":
            states(session)  # which waits: the two sessions must see it at the same point
            server.arrive(folder)
        case "glance":
            return states(session)
        case "open":
            return session.select_and_search(folder)
        case "days":
            return session.days([folder, "INBOX"])
        case "lost":
            return refused(lambda: session.select_and_search("Nowhere"))
        case "moved" if moving:
            return moved(session, moving.pop(0))
    return None if session.selected is None else in_folder(session, server, step, moving)


def in_folder(session: Session, server: Server, step: Step, moving: list[Sent]) -> object:
    what, wanted, folder, uid = step
    match what:
        case "ask heads":
            session.ask_heads(wanted)
        case "heads":
            return [(head.uid, head.size, head.header) for head in session.heads(wanted)]
        case "ask bodies":
            session.ask_bodies(wanted, cap=999, expected=999)
        case "bodies":
            return {body.uid: body.raw for body in session.bodies(wanted, cap=999, expected=999)}
        case "discard":
            session.discard_bodies()
        case "some":
            next(iter(session.bodies(wanted, cap=999, expected=999)))
        case "move" if not any(uid in sent.uids for sent in moving):
            moving.append(session.begin_move([uid], folder))
    return None


def states(session: Session) -> object:
    return session.glance([name for name in FOLDERS if name != session.selected], noop=session.selected is not None)


def moved(session: Session, sent: Sent) -> object:
    return refused(lambda: session.end_move(sent))


def refused(work: Callable[[], object]) -> object:
    try:
        return work()
    except CommandRefused as error:
        return type(error)


@settings(max_examples=100, deadline=None)
@given(st.lists(steps, max_size=12), st.integers(0, 2**32))
def test_in_whatever_order_the_server_answers_each_command_finds_what_it_finds_alone(
    program: list[Step], seed: int
) -> None:
    alone, together = Server(None), Server(random.Random(seed))
    one_by_one = session_with(alone)
    one_by_one.wait_for_each_answer()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("worker.mailbox.message_reader.SEARCH_WINDOW", 3)
        patched.setattr("worker.mailbox.session.FIRST_WINDOW", "1:3")
        expected = found_by(one_by_one, alone, program)
        assert found_by(session_with(together), together, program) == expected


READS = {"heads": "BODY.PEEK[HEADER]", "bodies": "BODY.PEEK[]", "some": "BODY.PEEK[]"}
"""The steps that read messages, and how their requests are told apart."""


@settings(max_examples=300, deadline=None)
@given(st.lists(on_messages, min_size=1, max_size=6), st.booleans(), st.integers(0, 30))
@example([("ask heads", (4, 5, 6, 7), "", 0), ("heads", (4,), "", 0)], True, 9)
@example([("ask heads", (4, 5, 6, 7), "", 0), ("bodies", (4,), "", 0)], True, 9)
@example([("ask heads", (4, 5, 6, 7, 8), "", 0), ("ask heads", (4,), "", 0), ("bodies", (4,), "", 0)], False, 10)
def test_if_the_connection_ends_the_request_that_was_begun_is_blamed_and_none_that_had_to_wait(
    program: list[Step], late: bool, lines: int
) -> None:
    server = Server(None, late=late)
    session = session_with(server)
    session.select_and_search("INBOX")
    server.lines = lines
    moving: list[Sent] = []
    for step in program:
        try:
            outcome(session, server, step, moving)
        except CommandRefused:
            raise
        except MailboxError as error:
            if step[0] in READS:
                assert_blame_is_just(server, step, blamed=not error.earlier)
            return


def assert_blame_is_just(server: Server, step: Step, *, blamed: bool) -> None:
    places = [place for place, command in enumerate(server.commands) if asks_for(command, step)]
    if not places:
        assert not blamed  # it was never sent
    elif server.commands[places[-1]].said is not None:
        assert blamed
    elif blamed:
        before = server.commands[: places[-1]]
        assert all(command.name == "MOVE" or is_done_but_for_its_tag(command) for command in before)


def asks_for(command: Command, step: Step) -> bool:
    what, wanted, *_ = step
    return command.name == "FETCH" and READS[what] in command.arguments[-1] and uids_of(command) == set(wanted)


def uids_of(command: Command) -> set[int]:
    return set(uid_sets.expand(command.arguments[0]))


def is_done_but_for_its_tag(command: Command) -> bool:
    return command.said is not None and len(command.said) <= 1


@pytest.mark.parametrize("pipelines", [True, False])
def test_a_move_that_the_server_had_come_to_is_blamed(pipelines: bool) -> None:
    server = Server(None)
    session = session_with(server)
    if not pipelines:
        session.wait_for_each_answer()
    session.select_and_search("INBOX")
    server.lines = 0
    with pytest.raises(ConnectionLost) as caught:
        session.end_move(session.begin_move([1], "Processed"))
    assert not caught.value.earlier
    assert session.ended_at_a_command


def test_moves_that_were_sent_together_are_blamed_together() -> None:
    """Dovecot may answer the second one first."""
    server = Server(None)
    session = session_with(server)
    session.select_and_search("INBOX")
    _, second = session.begin_move([1], "Processed"), session.begin_move([2], "Junk Email")
    server.lines = 0
    with pytest.raises(ConnectionLost) as caught:
        session.end_move(second)
    assert not caught.value.earlier


def test_a_move_is_not_blamed_for_what_was_asked_for_before_it_or_if_it_was_never_sent() -> None:
    server = Server(None)
    session = session_with(server)
    session.select_and_search("INBOX")
    assert not session.ended_at_a_command
    session.ask_heads([4, 5])
    server.lines = 0
    with pytest.raises(ConnectionLost) as caught:
        session.move([1], "Processed")
    assert caught.value.earlier
    with pytest.raises(ConnectionLost) as caught:
        session.begin_move([2], "Processed")
    assert caught.value.earlier
