"""A copy of the journal that is restored, and rebuilt: nothing is handled twice, nothing lost, all accounted for."""

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.journal import with_tables
from tests.fakes.mailbox import ELSEWHERE, FAILED, JUNK, PROCESSED, Mail, mail
from tests.fakes.world import ACCOUNT, World, classify, kind, sender_of
from worker.journal.database import Database
from worker.journal.facts import BACKUP, Facts
from worker.journal.online_copy import COPIED, copy_journal
from worker.journal.read_only import MEMORY
from worker.journal.store import FILE
from worker.message.outcome import State
from worker.reconcile.rebuild import Rebuild, Rebuilt

KINDS = ("ok", "ok", "ok", "reject", "always", "twice", "retry", "junk")
STEPS = st.one_of(
    st.sampled_from([*(("deliver", kind) for kind in KINDS), ("run", 60), ("run", 60), ("run", 700)]),
    st.tuples(st.sampled_from(["retry", "file away", "delete"]), st.integers(0, 9)),
)


def copied(world: World, folder: Path) -> Database:
    """The journal's copy as a worker finds it that begins with it."""
    (folder / "copy").mkdir()
    target = folder / "copy" / FILE
    target.touch(mode=0o600)
    copy_journal(folder / FILE, target, ACCOUNT, actor="a person", now=world.clock(), doubt="a copy", copied="then")
    return Database(f"sqlite:///{target}")


def rebuild(world: World) -> Rebuilt:
    """As the command does it."""
    facts = Facts(world.database)
    session: Any = world.server.session()
    found = Rebuild(
        world.journal,
        world.walk(),
        handled=PROCESSED,
        failed=FAILED,
        junk=[JUNK],
        assume_handled_before=None,
        clock=world.clock,
        classify=classify,
        sender_of=sender_of,
        restored=bool(facts.recall(COPIED)),
    )(session)
    facts.resume(BACKUP)
    return found


class Mailbox:
    """What happens to a mailbox before and after the copy, and what must have become of each message."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mails: list[Mail] = []
        self.taken: set[bytes] = set()
        """Mail that a person took away, or had tried again."""

    def step(self, step: Any) -> None:
        match step:
            case ("deliver", what):
                raw = mail(junk=True) if what == "junk" else mail(what)
                self.mails.append(self.world.server.deliver(raw))
            case ("run", seconds):
                self.world.tick(seconds)
            case ("retry", number):
                failed = [row for row in self.world.rows() if row.state is State.FAILED]
                if failed:
                    row = failed[number % len(failed)]
                    self.world.retry(row.key)
                    self.taken |= {call.raw for call in self.world.calls if call.key == row.key}
            case (what, number):
                settled = [one for one in self.mails if self.world.server.folder_of(one) in (PROCESSED, FAILED)]
                if settled:
                    one = settled[number % len(settled)]
                    self.taken.add(one.raw)
                    if what == "delete":
                        self.world.server.delete(one)
                    else:
                        self.world.server.create(ELSEWHERE)
                        self.world.server.move(one, ELSEWHERE)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=30)
@given(
    before=st.lists(STEPS, max_size=8),
    tried=st.lists(st.sampled_from(("twice", "retry", "always")), max_size=3),
    after=st.lists(STEPS, max_size=8),
    drained=st.booleans(),
    late=st.booleans(),
)
def test_back_to_a_copy_nothing_is_handled_twice_and_nothing_lost(
    before: list[Any], tried: list[str], after: list[Any], *, drained: bool, late: bool
) -> None:
    """tried: mail that waits for another try in the copy. drained: nothing does at the end. late: mail comes then."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name)
        first = World(database=Database(f"sqlite:///{folder / FILE}"))
        mailbox = Mailbox(first)
        for step in (*before, *(("deliver", what) for what in tried), ("run", 60)):
            mailbox.step(step)
        database = copied(first, folder)
        for step in after:
            mailbox.step(step)
        if drained:
            first.drain()
        if late:
            mailbox.step(("deliver", "ok"))
        first.database.close()

        second = World(first.server, database=database)
        second.clock.now = first.clock.now
        second.tick()
        assert second.calls == [], "paused until a person has rebuilt it"
        rebuild(second)
        second.drain()

        calls = Counter((call.handler, call.raw) for call in [*first.finished, *second.finished])
        for one in mailbox.mails:
            handler = "quarantine" if b"X-Is-Junk" in one.raw else "archive"
            assert calls[handler, one.raw] >= 1, "lost"
            if one.raw not in mailbox.taken:
                assert calls[handler, one.raw] == 1 or kind(one.raw) in ("always", "twice", "retry"), "twice"
                assert not [call for call in second.repeated if call.raw == one.raw]
        balance = second.balance()
        assert balance.unaccounted == 0
        database.close()
        if not mailbox.taken:
            wanted = Counter(expected(one) for one in mailbox.mails)
            assert (balance.handled, balance.junk, balance.failed, balance.gone, balance.pending) == (
                *(wanted[state] for state in (State.HANDLED, State.JUNK, State.FAILED)),
                0,
                0,
            )


def expected(one: Mail) -> State:
    if b"X-Is-Junk" in one.raw:
        return State.JUNK
    return State.FAILED if kind(one.raw) in ("reject", "always") else State.HANDLED


def test_what_was_pending_is_known_by_the_folder_where_it_lies_now(tmp_path: Path) -> None:
    world = World(database=with_tables(Database(f"sqlite:///{tmp_path / FILE}")))
    for what in ("twice", "twice", "reject"):
        world.server.deliver(mail(what))
    world.tick()
    assert world.states() == {State.PENDING: 2, State.FAILED: 1}
    world.server.deliver(mail(junk=True))
    database = copied(world, tmp_path)
    world.drain()
    world.server.deliver(mail())
    second = World(world.server, database=database)
    found = rebuild(second)
    assert (found.handled, found.junk, found.failed, found.left) == (2, 1, 0, 1)
    assert second.states() == {State.HANDLED: 2, State.JUNK: 1, State.FAILED: 1}


def test_another_size_may_be_another_message(tmp_path: Path) -> None:
    """A message with the same header, and other content, was handled; the one that is known waits no more."""
    world = World(database=with_tables(Database(f"sqlite:///{tmp_path / FILE}")))
    known = world.server.deliver(mail("always", serial=1))
    world.tick()
    database = copied(world, tmp_path)
    world.server.delete(known)
    world.server.deliver(mail("always", serial=1, body=b"another\r\n"))
    world.drain()
    second = World(world.server, database=database)
    rebuild(second)
    assert second.states() == {State.PENDING: 1}
    second.drain()
    assert second.balance().unaccounted == 0
