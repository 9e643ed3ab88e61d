"""Messages that people have handled again, in a mailbox where the process dies at any call and people work as well."""

from collections import Counter, defaultdict
from itertools import count
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.fakes.mailbox import ELSEWHERE, INBOX, JUNK, PROCESSED, Mail, Server, mail
from tests.fakes.world import Fault, Killed, World
from tests.unit.pipeline.machines import run
from worker.journal.database import JournalUnavailable
from worker.mailbox.errors import ConnectionLost
from worker.message.outcome import State

DONE = (State.HANDLED, State.JUNK)
KILLS = 4
"""Deaths of other causes than the message, fewer than it takes to call a message poison."""
HANDLERS = {State.HANDLED: {"archive", "notify"}, State.JUNK: {"quarantine"}}


class Again(RuleBasedStateMachine):
    """`asked`: for each key, how often a person asked for it. `taken`: keys of what people took away meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.serial = count(1)
        self.asked: Counter[str] = Counter()
        self.taken: set[bytes] = set()
        self.counts: dict[str, int] = {}
        self.kills = 0

    @initialize(move=st.booleans(), copyuid=st.booleans(), keep=st.booleans(), hold=st.booleans())
    def begin(self, move: bool, copyuid: bool, keep: bool, hold: bool) -> None:
        server = Server(capabilities=["UIDPLUS", "IDLE", *(["MOVE"] if move else [])])
        server.copyuid = copyuid
        self.world = World(server, handled="keep" if keep else PROCESSED)
        self.world.hold = hold
        self.world.start()
        self.come(junk=True, wanted="ok")
        self.come(junk=False, wanted="ok")
        self.world.tick()
        self.world.tick()

    @rule(junk=st.booleans(), wanted=st.sampled_from(["ok", "ok", "twice", "retry"]))
    def come(self, junk: bool, wanted: str) -> None:
        self.world.server.deliver(mail(wanted, junk=junk, serial=next(self.serial)), INBOX)

    @rule(data=st.data(), only=st.sampled_from([None, "archive", "notify"]), times=st.sampled_from([1, 1, 2]))
    def person_asks(self, data: Any, only: str | None, times: int) -> None:
        if done := [row for row in self.world.rows() if row.state in DONE]:
            row = data.draw(st.sampled_from(done))
            for _ in range(times):
                self.world.handle_again(row.key, only="quarantine" if row.state is State.JUNK else only)
                self.asked[row.key] += 1

    @rule(seconds=st.sampled_from([60, 60, 700]), times=st.integers(1, 3))
    def time_passes(self, seconds: int, times: int) -> None:
        for _ in range(times):
            self.world.tick(seconds)

    @rule(
        calls=st.integers(0, 40),
        after=st.booleans(),
        what=st.sampled_from([Killed, ConnectionLost, JournalUnavailable]),
    )
    def fault(self, calls: int, after: bool, what: type[BaseException]) -> None:
        if what is Killed:
            if self.kills >= KILLS:
                return
            self.kills += 1
        self.world.faults.planned = Fault(calls, after, what)
        self.world.tick()
        self.world.faults.planned = None

    @precondition(lambda self: self.world.server.all_mail(PROCESSED))
    @rule(data=st.data(), to=st.sampled_from([INBOX, ELSEWHERE, ""]))
    def person_moves_it(self, data: Any, to: str) -> None:
        one: Mail = data.draw(st.sampled_from(self.world.server.all_mail(PROCESSED)))
        if to == INBOX:
            self.world.server.move(one, INBOX)
            return
        self.taken.add(one.raw)
        if to:
            self.world.server.move(one, to)
        else:
            self.world.server.delete(one)

    @precondition(lambda self: self.world.server.all_mail(PROCESSED))
    @rule(data=st.data())
    def person_copies_it(self, data: Any) -> None:
        one: Mail = data.draw(st.sampled_from(self.world.server.all_mail(PROCESSED)))
        self.world.server.copy(one, INBOX)

    @rule(folder=st.sampled_from([INBOX, JUNK, PROCESSED]))
    def renumber(self, folder: str) -> None:
        self.world.server.renumber(folder)

    @rule()
    def restart(self) -> None:
        self.world.start()

    @invariant()
    def no_count_is_skipped_or_goes_back(self) -> None:
        if hasattr(self, "world"):
            for row in self.world.rows():
                assert self.counts.get(row.key, 0) <= row.redelivery <= self.asked[row.key], row
                assert all((row.key, number) in self.world.counts for number in range(1, row.redelivery + 1)), row
                self.counts[row.key] = row.redelivery

    @invariant()
    def only_what_was_asked_for_is_handed_over_again(self) -> None:
        if hasattr(self, "world"):
            assert not self.world.repeated, self.world.repeated
            for call in self.world.calls:
                if call.redelivery:
                    only = self.world.counts[call.key, call.redelivery]
                    assert only in (None, call.handler), call

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.drain()
        self.no_count_is_skipped_or_goes_back()
        self.only_what_was_asked_for_is_handed_over_again()
        assert world.intents.open() == [], "a request was left open"
        finished: dict[tuple[str, int], set[str]] = defaultdict(set)
        for call in world.finished:
            finished[call.key, call.redelivery].add(call.handler)
        present = {one.raw for one in world.server.all_mail()}
        for row in world.rows():
            assert row.state is not State.PENDING
            assert row.state is not State.FAILED, row
            for number in range(row.redelivery + (row.state in DONE)):
                only = world.counts.get((row.key, number))
                wanted = HANDLERS[row.state] if row.state in DONE else set()
                assert finished[row.key, number] >= ({only} if only else wanted), (row, number)
        if not self.taken:
            lost = [row for row in world.rows() if row.state is State.GONE]
            assert not lost, "nobody took it away"
            assert all(call.raw in present for call in world.calls)
            assert sum(row.redelivery for row in world.rows()) == self.asked.total(), "a request was lost"
        balance = world.balance()
        assert balance.unaccounted_keys == ()
        world.database.close()


def test_messages_that_people_have_handled_again() -> None:
    run(Again, examples=40, steps=15)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_messages_that_people_have_handled_again_at_length() -> None:
    run(Again, examples=300, steps=30)
