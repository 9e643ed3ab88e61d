"""What is known of a folder never hides that mail came or went, however little SELECT says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.mailbox.folder_commands import FolderCommands, FolderState, NoSettings

Event = str


class Folder:
    """A folder and its server. Mail comes and goes before each command; SELECT leaves out what the test says."""

    def __init__(self, events: Iterator[list[Event]], left_out: Iterator[set[bytes]]) -> None:
        self._events = events
        self._left_out = left_out
        self.uids = {1, 2, 3}
        self.uidnext = 4
        self.commands: list[str] = []
        self.seen: dict[FolderState, frozenset[int]] = {}
        """What the folder held at the last SELECT and since, by its state."""

    @property
    def state(self) -> FolderState:
        return FolderState(14, self.uidnext, len(self.uids))

    def happen(self) -> None:
        for event in next(self._events):
            if event == "comes":
                self.uids.add(self.uidnext)
                self.uidnext += 1
            elif self.uids:
                self.uids.remove(min(self.uids))

    def open_folder(self, _folder: str) -> dict[bytes, object]:
        self.happen()
        self.commands.append("SELECT")
        self.seen = {self.state: frozenset(self.uids)}
        said: dict[bytes, object] = {b"EXISTS": len(self.uids), b"UIDNEXT": self.uidnext, b"UIDVALIDITY": 14}
        left_out = next(self._left_out)
        return {name: value for name, value in said.items() if name not in left_out}

    def folder_status(self, _folder: str, items: Any) -> dict[bytes, object]:
        self.happen()
        self.commands.append("STATUS")
        self.seen.setdefault(self.state, frozenset(self.uids))
        assert set(items) == {"MESSAGES", "UIDNEXT", "UIDVALIDITY"}
        return {b"MESSAGES": len(self.uids), b"UIDNEXT": self.uidnext, b"UIDVALIDITY": 14}


class Connection:
    """Those parts of the connection that the commands on folders use."""

    is_open = True

    def __init__(self, client: Folder) -> None:
        self.client = client

    @contextmanager
    def translated(self) -> Iterator[None]:
        yield

    def take_news(self) -> bool:
        return False


def commands_on(folder: Folder) -> FolderCommands:
    return FolderCommands(cast("Any", Connection(folder)), NoSettings())


happenings: list[list[Event]] = [[], [], ["comes"], ["goes"], ["comes", "goes"]]
omissions_of: list[set[bytes]] = [set(), {b"UIDNEXT"}, {b"UIDNEXT", b"UIDVALIDITY"}]
events = st.lists(st.sampled_from(happenings), min_size=50, max_size=50)
left_out = st.lists(st.sampled_from(omissions_of), min_size=25, max_size=25)
asked = st.lists(st.sampled_from(["select", "status"]), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(events, left_out, asked)
def test_two_states_are_equal_only_where_nothing_came_or_went(
    happening: list[list[Event]], omissions: list[set[bytes]], questions: list[str]
) -> None:
    folder = Folder(iter(happening), iter(omissions))
    commands = commands_on(folder)
    ask: dict[str, Callable[[str], Any]] = {"select": commands.select, "status": commands.status}
    first = commands.select("INBOX")
    seen = folder.seen[first]  # it is the state at one moment, since SELECT
    assert commands.selected_state == first
    for question in questions:
        later = ask[question]("INBOX")
        if later == first:
            assert folder.seen[later] == seen


@given(left_out)
def test_status_is_asked_only_of_a_server_that_has_left_something_out(omissions: list[set[bytes]]) -> None:
    folder = Folder(iter([[]] * 50), iter(omissions))
    commands = commands_on(folder)
    for _ in range(3):
        commands.select("INBOX")
    whole = next((number for number, omitted in enumerate(omissions) if omitted), 3)
    expected = ["SELECT"] * 3
    if whole < 3:
        expected = ["SELECT"] * (whole + 1) + ["STATUS", "SELECT", "STATUS"] * (3 - whole)
    assert folder.commands == expected
