"""A mailbox full of copies: few sets of headers, few contents of the same size, and all that moves mail about.

Somebody who copies another's headers can't have that mail, or his own, pass for handled. Nor does anything that servers
and people do to a mailbox make one content be handed over twice.
"""

import base64
import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import delete, update

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Mail, Server, mail
from tests.fakes.world import Fault, Killed, World, classify, sender_of
from tests.unit.pipeline.machines import run
from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.schema import delivery, fact, folder, message
from worker.mailbox.errors import ConnectionLost
from worker.message.content_mark import ContentMarks
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.reconcile.rebuild import Rebuild

Content = tuple[str, bytes]
"""The subject and the decoded body."""
KILLS = 4
KINDS = st.sampled_from(["ok"] * 6 + ["twice", "retry", "reject"])
BODIES = st.sampled_from([b"first\r\n", b"other\r\n", b"third\r\n"])


class Copies(RuleBasedStateMachine):
    """`came`: how often each content was delivered or copied. `taken`: how often it was taken out of our folders."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.came: Counter[Content] = Counter()
        self.taken: Counter[Content] = Counter()
        self.kills = 0
        self.unknown: set[str] = set()
        """The subjects of which the journal has at some time not known every content."""
        self.been_junk: set[Content] = set()
        self.mails: list[Mail] = []
        """All that came."""
        self.removed: set[int] = set()
        """The origins of those that people deleted."""
        self.split: Counter[Content] = Counter()
        """How often a person took the original or the copy when a lost connection without MOVE had left both."""
        self.moved_in_hand: set[str] = set()
        """The subjects of which a message was moved while others were in hand, or in hand when the process died. Their
        content isn't known yet, so one of them and a copy that comes just then can be taken for each other: the first
        may be handed over twice."""

    @initialize(
        move=st.booleans(),
        copyuid=st.booleans(),
        keep=st.booleans(),
        hold=st.booleans(),
        headers_only=st.booleans(),
        move_releases=st.booleans(),
        forgets=st.integers(0, 3),
    )
    def begin(
        self, move: bool, copyuid: bool, keep: bool, hold: bool, headers_only: bool, move_releases: bool, forgets: int
    ) -> None:
        server = Server(capabilities=["UIDPLUS", "IDLE", *(["MOVE"] if move else [])])
        server.copyuid = copyuid
        self.keep = keep
        self.forgets = forgets == 0
        self.world = World(server, handled="keep" if keep else PROCESSED, move_releases=move_releases)
        self.world.hold, self.world.headers_only = hold, headers_only
        self.world.start()

    # -- mail comes

    @rule(
        number=st.integers(1, 3),
        body=BODIES,
        wanted=KINDS,
        junk=st.integers(0, 5),
        where=st.sampled_from([INBOX, INBOX, INBOX, JUNK]),
        otherwise=st.booleans(),
    )
    def deliver(self, number: int, body: bytes, wanted: str, junk: int, where: str, otherwise: bool) -> None:
        raw = mail(wanted, junk=junk == 0, serial=number, body=body)
        one = self.world.server.deliver(raw, where, received_at=1_700_000_000.0 + self.came.total())
        one.other_in_full = _encoded(raw) if otherwise else None
        self._came(one, where)

    def _came(self, one: Mail, where: str) -> None:
        raw = one.raw
        self.mails.append(one)
        self.came[_content(raw)] += 1
        if where == JUNK or b"X-Is-Junk" in raw:
            self.been_junk.add(_content(raw))

    def _move(self, one: Mail, to: str) -> None:
        self._touch(one)
        self.world.server.move(one, to)
        if to == JUNK:
            self.been_junk.add(_content(one.raw))

    def _touch(self, one: Mail) -> None:
        """A person is about to move or delete this."""
        if len(self.world.hands):
            self.moved_in_hand.add(_content(one.raw)[0])
        if sum(other.origin == one.origin for other in self.world.server.all_mail()) > 1:
            self.split[_content(one.raw)] += 1

    @rule(data=st.data())
    def shown_otherwise(self, data: Any) -> None:
        """The server renders a message anew at each fetch: other bytes, the same content."""
        if picked := self._pick(data, INBOX, JUNK, PROCESSED, FAILED, ELSEWHERE):
            picked.other_in_full = None if picked.other_in_full else _encoded(picked.raw)

    @rule(data=st.data(), to=st.sampled_from([INBOX, JUNK]))
    def person_copies(self, data: Any, to: str) -> None:
        if picked := self._pick(data, INBOX, JUNK, PROCESSED, FAILED):
            self._came(self.world.server.copy(picked, to), to)

    # -- and is moved about

    def _pick(self, data: Any, *folders: str) -> Mail | None:
        there = self.world.server.all_mail(*folders)
        return data.draw(st.sampled_from(there)) if there else None

    @rule(data=st.data(), to=st.sampled_from([INBOX, JUNK]))
    def moved_back(self, data: Any, to: str) -> None:
        picked = self._pick(data, PROCESSED, FAILED, INBOX, JUNK)
        if picked is not None and self.world.server.folder_of(picked) != to:
            self._move(picked, to)

    @rule(data=st.data(), remove=st.booleans())
    def taken_away(self, data: Any, remove: bool) -> None:
        if picked := self._pick(data, INBOX, JUNK, PROCESSED, FAILED):
            self._touch(picked)
            self.taken[_content(picked.raw)] += 1
            if remove:
                self.removed.add(picked.origin)
                self.world.server.delete(picked)
            else:
                self.world.server.move(picked, ELSEWHERE)

    @rule(data=st.data(), to=st.sampled_from([INBOX, JUNK]))
    def brought_back(self, data: Any, to: str) -> None:
        if picked := self._pick(data, ELSEWHERE):
            self._move(picked, to)

    @rule(name=st.sampled_from([INBOX, INBOX, JUNK, PROCESSED, FAILED]))
    def renumbered(self, name: str) -> None:
        self.world.server.renumber(name)

    @rule(data=st.data())
    def dead_letter_is_retried(self, data: Any) -> None:
        if dead := [row.key for row in self.world.rows() if row.state is State.FAILED]:
            self.world.retry(data.draw(st.sampled_from(dead)))

    # -- the process and its state

    @rule(seconds=st.sampled_from([1, 60, 60, 400, 4000]), times=st.integers(1, 3))
    def time_passes(self, seconds: int, times: int) -> None:
        for _ in range(times):
            self.world.tick(seconds)

    @rule(
        calls=st.integers(0, 60),
        after=st.booleans(),
        what=st.sampled_from([Killed, ConnectionLost, JournalUnavailable]),
    )
    def fault(self, calls: int, after: bool, what: type[BaseException]) -> None:
        if what is Killed:
            if self.kills >= KILLS:
                return
            self.kills += 1
            if len(self.world.hands):
                self.moved_in_hand |= {subject for subject, _ in self.came}
        self.world.faults.planned = Fault(calls, after, what)
        self.world.tick()
        self.world.faults.planned = None

    @rule()
    def restart(self) -> None:
        self.world.start()

    @rule(hang=st.booleans())
    def some_hang(self, hang: bool) -> None:
        if hang:
            self.world.hung.add("ok")
        else:
            self.world.end_hang()

    @precondition(lambda self: self.forgets)
    @rule()
    def an_earlier_version_wrote_the_journal(self) -> None:
        with self.world.database.write() as connection:
            connection.execute(update(message).values(content=None, doubtful=False))
        self._knows_no_more()

    @precondition(lambda self: self.forgets)
    @rule()
    def the_state_folder_is_lost(self) -> None:
        """And the journal is rebuilt from the mailbox."""
        if self.keep:
            return
        world = self.world
        with world.database.write() as connection:
            for table in (delivery, message, folder, fact):
                connection.execute(delete(table))
        world.marks = ContentMarks(Facts(world.database).content_key())
        world.recorded.clear()
        session: Any = world.server.session()
        with world.undisturbed():
            Rebuild(
                world.journal,
                world.walk(),
                handled=PROCESSED,
                failed=FAILED,
                junk=[JUNK],
                assume_handled_before=None,
                clock=world.clock,
                classify=classify,
                sender_of=sender_of,
            )(session)
        world.start()
        self._knows_no_more()

    def _knows_no_more(self) -> None:
        self.unknown |= {subject for subject, _ in self.came}

    # -- what must hold

    @invariant()
    def nothing_done_is_handed_over(self) -> None:
        if hasattr(self, "world"):
            assert not self.world.repeated, self.world.repeated

    @invariant()
    def nothing_is_unaccounted_for(self) -> None:
        if hasattr(self, "world") and not self.taken and not self.moved_in_hand:
            assert self.world.balance().unaccounted_keys == ()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.end_hang()
        self.world.drain()
        self.nothing_done_is_handed_over()
        self._each_content_was_handed_over()
        self._no_content_was_handed_over_twice()
        self._the_books_balance()
        self.world.database.close()

    def _each_content_was_handed_over(self) -> None:
        handed = {_content(call.raw) for call in self.world.calls}
        for content, came in self.came.items():
            if self.world.headers_only and content in self.been_junk:
                continue  # its body may never have been fetched
            if came > self.taken[content] and content[0] not in self.unknown:
                assert content in handed, f"{content} is lost"

    def _no_content_was_handed_over_twice(self) -> None:
        keys: dict[Content, set[str]] = {}
        for call in self.world.calls:
            if call.handler == "archive":
                keys.setdefault(_content(call.raw), set()).add(call.key)
        for content, names in keys.items():
            if content[0] not in self.unknown | self.moved_in_hand:
                came = self.came[content] + self.split[content]
                assert len(names) <= came, f"{content} came {came} times: {names}"

    def _the_books_balance(self) -> None:
        balance, states = self.world.balance(), self.world.states()
        assert balance.unaccounted_keys == ()
        assert balance.seen == sum(states.values())
        note(f"{self.came} came, {self.taken} taken away, {states}")
        if not self.unknown and not self.world.headers_only:
            done = states.total() - states[State.GONE]
            assert done >= self.came.total() - self.taken.total() - self._taken_for_our_copy(), "lost"
            if not self.moved_in_hand:
                assert done <= self.came.total() + self.split.total(), "one message was taken for two"
        for name in (INBOX, JUNK):
            placed = {row.place.uid for row in self.world.journal.in_folder(name)}
            assert set(self.world.server.folders[name].mails) <= placed, "a message without a row"
        # A dead letter that was handled from where it lay, without MOVE, stays where people put it.
        may_stay = {row.place.uid for row in self.world.rows() if row.state is State.FAILED and row.settle_to is None}
        for uid, one in self.world.server.folders[INBOX].mails.items():
            assert self.keep or uid in may_stay, f"left in INBOX: {one}"
        assert not [row for row in self.world.rows() if row.state is State.PENDING]

    def _taken_for_our_copy(self) -> int:
        """How many were deleted since a person's copy lay in the target when a connection without MOVE was lost.

        Nothing tells it from ours: the two are alike to the last byte, and to the second of their arrival.
        """
        server = self.world.server
        gone = [one for one in self.mails if server.find(one) is None and one.origin not in self.removed]
        left = {(one.raw, one.received_at) for one in server.all_mail()}
        for one in gone:
            assert "MOVE" not in server.capabilities, f"deleted: {one}"
            assert (one.raw, one.received_at) in left, f"deleted: {one}"
        return len(gone)


def _encoded(raw: bytes) -> bytes:
    """The same message with its content in base64, below headers in other lines."""
    head, _, body = raw.partition(b"\r\n\r\n")
    return head + b"\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(body)


def _content(raw: bytes) -> Content:
    subject = (Headers.from_bytes(raw).get("Subject") or "").strip()
    body = raw.partition(b"\r\n\r\n")[2]
    if b"Content-Transfer-Encoding: base64" in raw:
        body = base64.b64decode(body)
    return subject, body


def test_copies_among_all_that_moves_mail() -> None:
    run(Copies, examples=40, steps=25)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_copies_among_all_that_moves_mail_at_length() -> None:
    run(Copies, examples=20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else 300, steps=40)
