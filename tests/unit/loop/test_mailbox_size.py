"""When the worker learns how full the mailbox is, what that costs, and what it notes and says."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.journal import Texts
from tests.fakes.mailbox import INBOX, PROCESSED, Server, mail
from tests.fakes.permission import Allowed
from tests.fakes.world import Clock, World
from tests.unit.conftest import Lines
from worker.journal.facts import Facts
from worker.journal.lease import LeaseLost
from worker.journal.size_note import Fullness, SizeNote, read_size
from worker.login.refusals import NoAttempt
from worker.loop.hold import Hold
from worker.loop.mailbox_size import MailboxSize, SizeRules
from worker.mailbox.errors import ConnectionLost
from worker.mailbox.session import Storage
from worker.pipeline.stop import Stop
from worker.reconcile.folder_tally import FolderTally

HOUR, DAY = 3600.0, 86_400.0
LIMIT = 1_000_000
WARN = (80, 95)


class Watched:
    """A worker whose hourly look learns the size. commands: what went to the server, by name."""

    def __init__(self, *capabilities: str, storage: Storage | None = None, limit: int = LIMIT) -> None:
        self.server = Server(capabilities=("MOVE", "UIDPLUS", *capabilities))
        self.clock = Clock()
        self.facts: Any = Texts()
        self.server.storage = storage
        self.commands: list[str] = []
        self.permission = Allowed()
        self.rules = SizeRules(limit, WARN)
        self.session = self.server.session()
        self.server.before = self.commands.append

    def look(self, after: float = 0.0) -> list[str]:
        """The hourly look of a process that has just started, so many seconds later. Returns the commands of it."""
        self.clock.now += after
        sums = FolderTally(self.facts, key=b"key", permission=self.permission)
        if not self.session.is_open:
            self.session = self.server.session()
        before = len(self.commands)
        MailboxSize(self.facts, sums, self.rules, self.clock).do(self.session)  # type: ignore[arg-type]  # a fake
        return self.commands[before:]

    @property
    def note(self) -> SizeNote | None:
        return read_size(self.facts)

    def world(self, *, with_size: bool = True) -> World:
        """The whole worker on this mailbox, with the chore or without."""
        world = World(self.server)
        self.facts = Facts(world.database)
        sums = FolderTally(self.facts, key=b"", permission=self.permission)
        world.chores = (MailboxSize(self.facts, sums, self.rules, world.clock),) if with_size else ()
        world.start()
        strike = self.server.before

        def before(name: str) -> None:
            self.commands.append(name)
            strike(name)

        self.server.before = before
        return world

    def fill(self, size: int) -> None:
        self.server.deliver(mail(), INBOX, size=size)


def told(note: SizeNote | None) -> tuple[int, int, bool, bool, Fullness]:
    assert note is not None
    return note.used, note.limit, note.estimate, note.told, note.fullness


def test_the_quota_is_asked_for_once_an_hour_in_one_command() -> None:
    watched = Watched("QUOTA", storage=Storage(500, 1000))
    assert watched.look() == ["storage"]
    assert told(watched.note) == (500, 1000, False, True, Fullness.FINE)
    assert watched.look() == []
    assert watched.look(1800) == []
    assert watched.look(1800) == ["storage"]


def test_a_day_of_hourly_looks_costs_twenty_four_commands_and_no_sum() -> None:
    watched = Watched("QUOTA", storage=Storage(500, 1000))
    assert [command for _ in range(24) for command in watched.look(HOUR)] == ["storage"] * 24


def test_without_quota_the_first_sum_is_made_after_an_hour_and_then_one_a_day() -> None:
    watched = Watched()
    watched.fill(850_000)
    assert watched.look() == []
    assert watched.note is None
    first = watched.look(HOUR)
    assert {"folders", "status", "select", "search", "message_sizes"} == set(first)
    assert told(watched.note) == (850_000, LIMIT, True, False, Fullness.FILLING)
    assert [watched.look(HOUR) for _ in range(23)] == [[]] * 23
    assert set(watched.look(HOUR)) == {"folders", "status"}, "nothing has changed, so no size is asked for"


def test_a_sum_of_folders_that_the_server_adds_up_itself_asks_for_no_message() -> None:
    watched = Watched("STATUS=SIZE")
    watched.fill(120_000)
    watched.look()
    assert set(watched.look(HOUR)) == {"folders", "folder_size"}
    assert told(watched.note) == (120_000, LIMIT, True, False, Fullness.FINE)


def test_a_limit_that_the_server_does_not_tell_is_the_settings() -> None:
    watched = Watched("QUOTA", storage=Storage(960_000, None))
    watched.look()
    assert told(watched.note) == (960_000, LIMIT, False, False, Fullness.FULL)


def test_where_quota_is_refused_it_is_asked_for_once_a_day_and_the_sizes_are_added_up() -> None:
    watched = Watched("QUOTA", storage=None)
    watched.fill(500_000)
    assert watched.look() == ["storage"]
    commands = [command for _ in range(48) for command in watched.look(HOUR)]
    assert commands.count("storage") == 2
    assert commands.count("folders") == 2
    assert told(watched.note) == (500_000, LIMIT, True, False, Fullness.FINE)


def test_a_server_that_ends_the_connection_over_it_is_asked_again_a_day_later() -> None:
    """Or each hour would cost a login."""
    watched = Watched("QUOTA", storage=Storage(1, 2))

    def cut(name: str) -> None:
        watched.commands.append(name)
        raise ConnectionLost("the connection to the mail server was lost")

    watched.server.before = cut
    with pytest.raises(ConnectionLost):
        watched.look()
    assert [watched.look(HOUR) for _ in range(23)] == [[]] * 23
    watched.server.before = watched.commands.append
    assert watched.look(HOUR) == ["storage"]
    assert watched.look(HOUR) == ["storage"]


def test_a_sum_that_was_to_stop_carries_on_at_the_next_look() -> None:
    watched = Watched()
    watched.fill(100)
    watched.look()
    watched.permission.stops = True
    with pytest.raises(Stop):
        watched.look(HOUR)
    watched.permission.stops = False
    watched.look(HOUR)
    assert told(watched.note) == (100, LIMIT, True, False, Fullness.FINE)


def test_another_size_in_the_settings_counts_at_the_next_look_without_a_command() -> None:
    watched = Watched()
    watched.fill(850_000)
    watched.look()
    watched.look(HOUR)
    watched.rules = SizeRules(10 * LIMIT, WARN)
    assert watched.look(HOUR) == []
    assert told(watched.note) == (850_000, 10 * LIMIT, True, False, Fullness.FINE)


def test_a_clock_that_was_put_back_does_not_stop_the_looks() -> None:
    watched = Watched("QUOTA", storage=Storage(500, 1000))
    watched.look()
    watched.clock.now -= 400 * DAY
    assert watched.look() == ["storage"]
    assert watched.look(HOUR) == ["storage"]


def test_the_log_says_it_once_a_day_and_when_a_warning_begins_or_ends(lines: Lines) -> None:
    watched = Watched("QUOTA", storage=Storage(500, 1000))

    def said() -> list[Any]:
        lines.configure()
        watched.look(HOUR)
        return [(line["event"], line["level"], line["percent"]) for line in lines.all if "percent" in line]

    assert said() == [("mailbox.size", "info", 50)]
    assert said() == []
    watched.server.storage = Storage(800, 1000)
    assert said() == [("mailbox.filling", "warning", 80)]
    watched.server.storage = Storage(790, 1000)
    assert said() == [], "a little below isn't the end of it"
    watched.server.storage = Storage(999, 1000)
    assert said() == [("mailbox.full", "error", 99)]
    watched.server.storage = Storage(1000, 1000)
    assert [one for _ in range(48) for one in said()] == [("mailbox.full", "error", 100)] * 2
    watched.server.storage = Storage(200, 1000)
    assert said() == [("mailbox.size", "info", 20)]


def test_the_warning_says_what_happens_what_to_do_and_whom_to_ask(lines: Lines) -> None:
    watched = Watched("QUOTA", storage=Storage(999, 1000))
    lines.configure()
    watched.look()
    (line,) = [line for line in lines.all if line["event"] == "mailbox.full"]
    for part in ("Senders get it back", "delete_handled_after", "Local Administrator", "Ask the senders"):
        assert part in line["advice"]
    assert (line["bytes"], line["limit"], line["estimate"]) == (999, 1000, False)


def test_the_first_look_asks_though_time_passes_while_it_does() -> None:
    """A clock that moves on with each reading, as real ones do."""
    watched = Watched("QUOTA", storage=Storage(500, 1000))
    still = watched.clock

    def moves() -> float:
        still.now += 0.001
        return still.now

    sums = FolderTally(watched.facts, key=b"key", permission=watched.permission)
    MailboxSize(watched.facts, sums, watched.rules, moves).do(watched.session)  # type: ignore[arg-type]  # a fake
    assert watched.commands == ["storage"]


@given(growth=st.integers(500, 20_000), noise=st.integers(0, 50), before=st.integers(0, 300_000))
@settings(max_examples=12)
def test_steady_growth_in_simulated_time_is_told_with_its_days(growth: int, noise: int, before: int) -> None:
    """A mailbox of 1 MB that grows steadily, looked at each hour for three weeks, restarted each time."""
    watched = Watched("QUOTA", storage=Storage(before, LIMIT))
    used = float(before)
    for hour in range(21 * 24):
        used += growth / 24 * (1 + (noise if hour // 24 % 2 else -noise) / 100)
        watched.server.storage = Storage(int(used), LIMIT)
        watched.look(HOUR)
    note = watched.note
    assert note is not None
    left = (LIMIT - used) / growth
    if left <= 0:
        assert note.days_left == 0
        return
    assert note.days_left is not None
    assert left * (1 - 0.2) - 1.1 <= note.days_left <= left * (1 + 0.2) + 1.1


@pytest.mark.parametrize("stored", ["{", "7", "null", '{"at": 1}', "[]", json.dumps({"samples": [{"at": 1}]})])
def test_what_another_program_has_stored_is_learned_anew(stored: str) -> None:
    watched = Watched("QUOTA", storage=Storage(500, 1000))
    for name in ("mailbox.size", "mailbox.size.asked"):
        watched.facts.remember(name, stored)
    assert watched.look() == ["storage"]
    assert told(watched.note) == (500, 1000, False, True, Fullness.FINE)


def test_an_ordinary_poll_costs_what_it_did_and_the_hourly_look_one_command_more() -> None:
    """Two workers on mailboxes alike, one with the chore: the same commands, but for one QUOTA an hour."""

    def commands(*, with_size: bool) -> list[list[str]]:
        watched = Watched("QUOTA", storage=Storage(500, 1000))
        world = watched.world(with_size=with_size)
        polls: list[list[str]] = []
        for _ in range(3 * 60):
            begin = len(watched.commands)
            world.tick(60.0)
            polls.append(watched.commands[begin:])
        return polls

    before, after = commands(with_size=False), commands(with_size=True)
    assert [[one for one in poll if one != "storage"] for poll in after] == before
    asked = [poll.count("storage") for poll in after]
    assert 3 <= sum(asked) <= 4
    assert max(asked) == 1


def test_nothing_is_asked_during_a_pause() -> None:
    watched = Watched("QUOTA", storage=Storage(500, 1000))
    world = watched.world()
    watched.facts.pause("a person", world.clock())
    for _ in range(3 * 60):
        world.tick(60.0)
    assert watched.commands
    assert "storage" not in watched.commands
    assert watched.note is None


@pytest.mark.parametrize("halt", [NoAttempt("halted"), LeaseLost(), Stop()])
def test_without_a_session_nothing_is_asked_and_none_is_opened_for_it(
    halt: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As during a halt: the chore works on the session that a run has, and a run without one ends before it."""
    watched = Watched("QUOTA", storage=Storage(500, 1000))
    world = watched.world()

    def session(_hold: Hold) -> None:
        raise halt

    monkeypatch.setattr(Hold, "session", session)
    for _ in range(3 * 60):
        world.tick(60.0)
    assert watched.commands == []
    assert watched.note is None


def test_mail_is_handled_as_before_after_a_sum_was_made() -> None:
    """The sum opens each folder for reading; the next poll opens its own to move mail out of it."""
    watched = Watched()
    world = watched.world()
    for _ in range(80):
        watched.server.deliver(mail())
        world.tick(60.0)
    world.tick(60.0)
    assert len(watched.server.all_mail(PROCESSED)) == 80
    assert watched.note is not None
