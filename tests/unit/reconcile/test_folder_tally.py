"""The sum of all messages' sizes: right whatever happens in the mailbox, over restarts and compaction, and cheap."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.fakes.journal import Texts
from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, PROCESSED, Server, mail
from tests.fakes.permission import Allowed
from tests.fakes.world import World
from worker.journal.facts import Facts
from worker.mailbox.errors import ConnectionLost
from worker.pipeline.stop import Stop
from worker.reconcile.folder_tally import AT_MOST, FOLDER, FolderTally

DAY = 86_400.0


def tally(memory: Any) -> FolderTally:
    return FolderTally(memory, key=b"key", permission=Allowed())


def truth(server: Server) -> int:
    return sum(len(one.raw) if one.size is None else one.size for one in server.all_mail())


def total(server: Server, memory: Any, at_most: int = AT_MOST) -> int | None:
    return tally(memory).total(server.session(), at_most=at_most)  # type: ignore[arg-type]  # a fake, with what is used


def finished(server: Server, memory: Any, at_most: int = AT_MOST) -> int:
    for _ in range(500):
        found = total(server, memory, at_most)
        if found is not None:
            return found
    raise AssertionError("it never ends")


class Mailbox(RuleBasedStateMachine):
    """People, the worker, a restore and a restart do what they like; each sum afterwards is right."""

    folders = (INBOX, JUNK, PROCESSED, ELSEWHERE)

    @initialize(capabilities=st.sampled_from([(), ("STATUS=SIZE",)]))
    def begin(self, capabilities: tuple[str, ...]) -> None:
        self.server = Server(capabilities=("MOVE", "UIDPLUS", *capabilities))
        self.memory = Texts()

    @rule(folder=st.sampled_from(folders), size=st.integers(0, 60_000_000), count=st.integers(1, 5))
    def deliver(self, folder: str, size: int, count: int) -> None:
        for _ in range(count):
            self.server.deliver(mail(), folder, size=size)

    @rule(choice=st.integers(0, 1000), folder=st.sampled_from(folders))
    def move(self, choice: int, folder: str) -> None:
        if everything := self.server.all_mail():
            self.server.move(everything[choice % len(everything)], folder)

    @rule(choice=st.integers(0, 1000))
    def delete(self, choice: int) -> None:
        if everything := self.server.all_mail():
            self.server.delete(everything[choice % len(everything)])

    @rule(folder=st.sampled_from(folders))
    def renumber(self, folder: str) -> None:
        self.server.renumber(folder)

    @rule(folder=st.sampled_from(folders))
    def replace(self, folder: str) -> None:
        self.server.replace(folder)

    @rule(at_most=st.integers(1, 60))
    def begin_a_sum_and_leave_it(self, at_most: int) -> None:
        total(self.server, self.memory, at_most)

    @rule(at=st.integers(0, 12))
    def lose_the_connection_over_it(self, at: int) -> None:
        left = [at]

        def before(_name: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise ConnectionLost("the connection to the mail server was lost")

        self.server.before = before
        try:
            total(self.server, self.memory)
        except ConnectionLost:
            pass
        finally:
            self.server.before = lambda _name: None

    @rule(at_most=st.sampled_from([3, 40, AT_MOST]))
    def sum_it(self, at_most: int) -> None:
        finished(self.server, self.memory, at_most)  # what was begun before may be of yesterday
        assert finished(self.server, self.memory, at_most) == truth(self.server)

    @invariant()
    def folders_names_are_not_kept(self) -> None:
        if hasattr(self, "memory"):
            assert not [name for name in self.folders for text in self.memory.texts.values() if name in text]


def test_whatever_happens_the_next_sum_is_right() -> None:
    run_state_machine_as_test(Mailbox, settings=settings(max_examples=100, stateful_step_count=20))


@pytest.fixture
def server() -> Server:
    return Server(capabilities=("MOVE", "UIDPLUS"))


def test_only_what_is_new_is_asked_for(server: Server) -> None:
    memory = Texts()
    for _ in range(3_000):
        server.deliver(mail(), PROCESSED, size=50_000)
    assert finished(server, memory) == truth(server)
    assert server.sizes_asked == 3_000
    for _ in range(7):
        server.deliver(mail(), PROCESSED, size=70_000)
    assert finished(server, memory) == truth(server)
    assert server.sizes_asked == 3_007
    assert finished(server, memory) == truth(server)
    assert server.sizes_asked == 3_007


def test_a_look_is_bounded_and_the_next_one_carries_on_after_a_restart(server: Server) -> None:
    memory = Texts()
    for _ in range(500):
        server.deliver(mail(), PROCESSED, size=50_000)
    looks, asked = 0, 0
    while total(server, memory, at_most=5 * FOLDER + 40) is None:
        looks += 1
        assert server.sizes_asked - asked <= 5 * FOLDER + 40
        asked = server.sizes_asked
    assert 3 <= looks <= 13
    assert finished(server, memory) == truth(server)


def test_mail_that_leaves_while_a_large_folder_is_counted_again_and_again_ends_it_all_the_same(server: Server) -> None:
    """Handled mail that is deleted each hour would otherwise have its folder counted for ever."""
    memory = Texts()
    lying = [server.deliver(mail(), PROCESSED, size=50_000) for _ in range(400)]
    for _ in range(200):
        server.delete(lying.pop(0))
        server.deliver(mail(), PROCESSED, size=50_000)
        found = total(server, memory, at_most=5 * FOLDER + 60)
        if found is not None:
            break
    assert found == pytest.approx(truth(server), rel=0.02)


def test_what_search_misses_counts_as_an_average(server: Server) -> None:
    for number in range(20):
        server.deliver(mail(), INBOX, size=10_000, unsearched=number % 2 == 0)
    assert finished(server, Texts()) == truth(server)


def test_a_folder_that_cannot_be_opened_counts_as_it_was_last(server: Server) -> None:
    memory = Texts()
    server.deliver(mail(), INBOX, size=10_000)
    server.deliver(mail(), ELSEWHERE, size=30_000)
    assert finished(server, memory) == 40_000
    server.deliver(mail(), ELSEWHERE, size=5_000)
    server.deliver(mail(), INBOX, size=1_000)
    server.refusing = {("status", name) for name in server.folders} | {("status", None)}
    assert finished(server, memory) == 40_000
    server.refusing = set()
    assert finished(server, memory) == 46_000


def test_no_folder_counts_as_selected_afterwards(server: Server) -> None:
    """Or the next poll would try to move mail out of a folder that was opened for reading alone."""
    server.deliver(mail())
    session = server.session()
    tally(Texts()).total(session)  # type: ignore[arg-type]  # a fake, with what is used
    assert session.selected is None


def test_it_stops_when_the_worker_is_to_stop(server: Server) -> None:
    server.deliver(mail())
    permission = Allowed()
    permission.stops = True
    with pytest.raises(Stop):
        FolderTally(Texts(), key=b"", permission=permission).total(server.session())  # type: ignore[arg-type]  # a fake


@pytest.mark.parametrize(
    "stored", ["{", "[]", "null", '{"turn": 3}', '{"turn": 1, "folders": {"a": [1]}}', '{"turn": "x"}']
)
def test_what_another_program_has_stored_is_counted_anew(server: Server, stored: str) -> None:
    memory = Texts()
    memory.texts["mailbox.tally"] = stored
    server.deliver(mail(), size=12)
    assert finished(server, memory) == 12


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans(), st.booleans()), min_size=1, max_size=6))
@settings(max_examples=6)
def test_compaction_of_rows_and_restarts_keep_the_totals(days: list[tuple[int, bool, bool]]) -> None:
    """Rows are compacted once their mail is in none of our folders. It may lie in another, and counts there."""
    world = World()
    memory = Facts(world.database)
    keep = 3 * DAY
    for count, taken_away, deleted in days:
        for _ in range(count):
            world.server.deliver(mail())
        world.drain()
        lying = world.server.all_mail(PROCESSED)
        if taken_away and lying:
            world.server.move(lying[0], ELSEWHERE)
        if deleted and len(lying) > 1:
            world.server.delete(lying[1])
        world.clock.now += 2 * DAY
        world.compact(keep=keep)
        world.compact(keep=keep)
        world.start()
        assert finished(world.server, memory) == truth(world.server)


def test_a_server_that_could_add_up_a_folder_and_says_nothing_is_counted_by_messages() -> None:
    server = Server(capabilities=("MOVE", "UIDPLUS", "STATUS=SIZE"))
    server.deliver(mail(), INBOX, size=700)
    session: Any = server.session()
    session.folder_size = lambda _name: None
    assert tally(Texts()).total(session) == 700
