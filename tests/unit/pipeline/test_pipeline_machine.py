"""A model mailbox in which people and servers do all that they are known to do, against the real pipeline and journal.

The rules are what may happen to a mailbox and to a process; the invariants are what promises 2 to 5 say about it.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any
from unittest.mock import patch

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

from tests.fakes.mailbox import ELSEWHERE, FAILED, INBOX, JUNK, PROCESSED, Mail, Server, busy, mail
from tests.fakes.world import ACCOUNT, Call, Fault, Killed, World, kind
from tests.unit.pipeline.machines import run
from worker.journal.database import JournalUnavailable
from worker.journal.facts import Facts
from worker.journal.records import Record
from worker.mailbox.errors import ConnectionLost, FolderRefused, MailboxError
from worker.message.key import fingerprint
from worker.message.mime.headers import Headers
from worker.message.outcome import State
from worker.message.verdict import MailPath
from worker.pipeline.requests import is_junk

KINDS = st.sampled_from(["ok"] * 5 + ["twice", "retry", "reject", "always", "poison", "unroutable"])
ENDS = {"reject": State.FAILED, "always": State.FAILED, "poison": State.FAILED, "unroutable": State.FAILED}
FAULTS = st.sampled_from([Killed, ConnectionLost, JournalUnavailable])
KILLS = 4
"""Deaths of other causes than the message, fewer than it takes to call a message poison."""
WATCHED = (INBOX, JUNK)
OF_MOVES = ("nailed", "breaks_at_move", "breaks_after_move")
"""The quirks that show when a message is moved."""


class Mailbox(RuleBasedStateMachine):
    """`alive`: every physical message that ever lay in a watched folder. `removed`: those that people took away."""

    def __init__(self) -> None:
        super().__init__()
        self.world: World
        self.serial = count(1)
        self.alive: list[Mail] = []
        self.removed: Counter[bytes] = Counter()
        self.origins: Counter[bytes] = Counter()
        self.been_in_junk: set[bytes] = set()
        self.ever_blank: set[bytes] = set()
        self.ever_headless: set[bytes] = set()
        self.unseen: set[str] = set()
        """Marks of messages of which the server didn't always show where they lie. A copy with the same headers and the
        same content counts as such a message come back."""
        self.renumbered: set[str] = set()
        """Marks of messages that lay in a folder when it was renumbered. Two with the same bytes may be exchanged."""
        self.released_in_doubt: Counter[str] = Counter()
        """How often a person released what might have been a message that was handled before, by mark."""
        self.been_down = False
        self.kills = 0
        self.checked_calls = 0
        self.settled_done: dict[str, State] = {}
        self.at_once: list[Any] = []
        """What bounds how much is done at once, while this mailbox lasts."""
        self.asked_for: set[str] = set()
        """Keys of what a person asked to be released."""
        self.retried: set[str] = set()
        """Keys of dead letters that a person asked to be tried again."""
        self.asked_again: Counter[str] = Counter()
        """How often a person asked for a message to be handled again, by key."""
        self.was_handled: set[str] = set()
        """Keys of those of them that clean handlers had had before."""
        self.counts: dict[str, int] = {}
        self.compacted: dict[str, Counter[State]] = defaultdict(Counter)

    @initialize(
        move=st.booleans(),
        copyuid=st.booleans(),
        keep=st.booleans(),
        hold=st.booleans(),
        headers_only=st.booleans(),
        pausing=st.booleans(),
        ordered=st.booleans(),
        move_releases=st.booleans(),
        hang=st.booleans(),
        pipelines=st.booleans(),
        heads=st.sampled_from([1, 2, 100]),
        moves=st.sampled_from([1, 2, 200]),
    )
    def begin(
        self,
        move: bool,
        copyuid: bool,
        keep: bool,
        hold: bool,
        headers_only: bool,
        pausing: bool,
        ordered: bool,
        move_releases: bool,
        hang: bool,
        pipelines: bool,
        heads: int,
        moves: int,
    ) -> None:
        """heads, moves: so many are read, or moved, at once. If it is few, others are in flight meanwhile."""
        for name, few in (("header_suspects.HEADS_AT_ONCE", heads), ("outbox.SETTLE_AT_ONCE", moves)):
            self.at_once.append(patch(f"worker.pipeline.{name}", few))
            self.at_once[-1].start()
        server = Server(capabilities=["UIDPLUS", "IDLE", *(["MOVE"] if move else [])])
        server.copyuid, server.pipelines = copyuid, pipelines
        server.moving = self._moves
        self.world = World(
            server,
            handled="keep" if keep else PROCESSED,
            pause_after=2 if pausing else 0,
            ordered=ordered,
            move_releases=move_releases,
        )
        self.world.hold, self.world.headers_only = hold, headers_only
        self.world.start()
        self.world.start()
        self.handlers_hang(hang)

    # -- mail comes

    def _came(self, one: Mail, folder: str) -> None:
        self.alive.append(one)
        self.origins[one.raw] += 1
        if folder == JUNK:
            self.been_in_junk.add(one.raw)
        if one.bodiless or one.headless or one.breaks or one.veiled:
            self.ever_blank.add(one.raw)
        if one.headless or one.veiled:
            self.ever_headless.add(one.raw)

    @rule(
        wanted=KINDS,
        junk=st.integers(0, 5),
        folder=st.sampled_from([INBOX, INBOX, INBOX, JUNK]),
        quirk=st.sampled_from([""] * 8 + ["unsearched", "headless", "bodiless", "breaks", "veiled", *OF_MOVES]),
        late=st.booleans(),
        sender=st.sampled_from(["", "a", "a", "b"]),
        route=st.sampled_from(["", "", "unordered"]),
    )
    def deliver(self, wanted: str, junk: int, folder: str, quirk: str, late: bool, sender: str, route: str) -> None:
        if quirk in OF_MOVES and "MOVE" not in self.world.server.capabilities:
            quirk = ""  # after a death, copies that people made meanwhile can't be told from what we had copied by then
        raw = mail(wanted, junk=junk == 0, serial=next(self.serial), sender=sender, route=route)
        uid = self.world.server.reserve(folder) if late else None
        if late:
            self._came(self.world.server.deliver(mail(serial=next(self.serial)), folder), folder)
            self.world.tick()
        self._came(self.world.server.deliver(raw, folder, uid=uid, **({quirk: True} if quirk else {})), folder)

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), folder=st.sampled_from([INBOX, JUNK]))
    def deliver_look_alike(self, data: Any, folder: str) -> None:
        self._came(self.world.server.deliver(data.draw(st.sampled_from(self.alive)).raw, folder), folder)

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def content_comes(self, data: Any) -> None:
        one = data.draw(st.sampled_from(self.alive))
        _show(one)

    # -- people and filters

    def _pick(self, data: Any, *folders: str) -> tuple[Mail, str] | None:
        there = [(one, name) for name in folders for one in self.world.server.all_mail(name)]
        return data.draw(st.sampled_from(there)) if there else None

    @rule(data=st.data())
    def filter_moves(self, data: Any) -> None:
        """Zero-hour purge, both ways."""
        if picked := self._pick(data, *WATCHED):
            one, source = picked
            target = JUNK if source == INBOX else INBOX
            self.world.server.move(one, target)
            if target == JUNK:
                self.been_in_junk.add(one.raw)

    @rule(data=st.data(), to=st.sampled_from([INBOX, JUNK]))
    def person_moves_back(self, data: Any, to: str) -> None:
        if picked := self._pick(data, PROCESSED, FAILED):
            self.world.server.move(picked[0], to)
            if to == JUNK:
                self.been_in_junk.add(picked[0].raw)

    @rule(data=st.data(), to=st.sampled_from([INBOX, JUNK]))
    def person_copies(self, data: Any, to: str) -> None:
        if picked := self._pick(data, INBOX, JUNK, PROCESSED, FAILED):
            self._came(self.world.server.copy(picked[0], to), to)

    @rule(data=st.data(), delete=st.booleans())
    def person_takes_away(self, data: Any, delete: bool) -> None:
        if picked := self._pick(data, INBOX, JUNK, PROCESSED, FAILED):
            one = picked[0]
            self.removed[one.raw] += 1
            if delete:
                self.world.server.delete(one)
            else:
                self.world.server.move(one, ELSEWHERE)

    @rule(data=st.data(), to=st.sampled_from([INBOX, JUNK]))
    def person_brings_back(self, data: Any, to: str) -> None:
        if picked := self._pick(data, ELSEWHERE):
            one = picked[0]
            self.world.server.move(one, to)
            if to == JUNK:
                self.been_in_junk.add(one.raw)

    @rule(data=st.data(), seconds=st.sampled_from([0, 60]))
    def person_releases(self, data: Any, seconds: int) -> None:
        """Most tellingly while a handler has the message."""
        junk = [row for row in self.world.rows() if is_junk(row)]
        if junk := [row for row in junk if row.id in self.world.hands] or junk:
            row = data.draw(st.sampled_from(junk))
            self.released_in_doubt[row.fingerprint] += row.doubtful
            self.world.release(row.key)
            self.asked_for.add(row.key)
            if seconds:
                self.world.tick(seconds)

    @rule(data=st.data(), closed=st.booleans())
    def person_retries(self, data: Any, closed: bool) -> None:
        """Most tellingly while the server doesn't open the folder."""
        dead = [row for row in self.world.rows() if row.state is State.FAILED and row.deaths == 0]
        if dead:
            key = data.draw(st.sampled_from(dead)).key
            self.world.retry(key)
            self.retried.add(key)
            if closed:
                self._opens(FAILED, FolderRefused)
                self.world.tick()
                self.world.tick()

    @rule(data=st.data(), only=st.sampled_from([None, None, "archive", "notify"]), times=st.sampled_from([1, 1, 2]))
    def person_has_it_handled_again(self, data: Any, only: str | None, times: int) -> None:
        if done := [row for row in self.world.rows() if row.state in (State.HANDLED, State.JUNK)]:
            row = data.draw(st.sampled_from(done))
            if row.state is State.HANDLED:
                self.was_handled.add(row.key)
            for _ in range(times):
                self.world.handle_again(row.key, only="quarantine" if row.state is State.JUNK else only)
                self.asked_again[row.key] += 1

    @rule(folder=st.sampled_from([INBOX, JUNK, PROCESSED, FAILED]))
    def renumber(self, folder: str) -> None:
        self.renumbered |= {_mark(one.raw) for one in self.world.server.all_mail(folder)}
        self.world.server.renumber(folder)

    @rule(folder=st.sampled_from([INBOX, PROCESSED]))
    def replace(self, folder: str) -> None:
        for one in self.world.server.all_mail(folder):
            self.removed[one.raw] += 1
        self.world.server.replace(folder)

    @rule(
        folder=st.sampled_from([PROCESSED, PROCESSED, FAILED, FAILED, INBOX, JUNK]),
        says=st.sampled_from([FolderRefused, busy, None, None]),
    )
    def opens_or_does_not(self, folder: str, says: Callable[[str], MailboxError] | None) -> None:
        """The server lists the folder all the time."""
        self._opens(folder, says)

    def _opens(self, folder: str, says: Callable[[str], MailboxError] | None) -> None:
        self.world.server.closed.pop(folder, None)
        if says is not None:
            self.world.server.closed[folder] = says

    # -- the process

    @rule(seconds=st.sampled_from([1, 60, 60, 60, 400, 4000]), times=st.integers(1, 3))
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
        self.world.faults.planned = Fault(calls, after, what)
        self.world.tick()
        self.world.faults.planned = None

    @rule()
    def restart(self) -> None:
        self.world.start()

    @rule(hang=st.booleans())
    def some_hang(self, hang: bool) -> None:
        self.handlers_hang(hang)

    def handlers_hang(self, hang: bool) -> None:
        if hang:
            self.world.hung.add("ok")
        else:
            self.world.hung.clear()
            self.world.hands.end_hang()

    @rule(down=st.booleans())
    def target_goes_down(self, down: bool) -> None:
        self.world.down = down
        self.been_down = self.been_down or down

    @rule(pause=st.booleans())
    def paused_and_resumed(self, pause: bool) -> None:
        facts = Facts(self.world.database)
        if pause:
            facts.pause("a person", self.world.clock())
        else:
            facts.resume()

    @rule()
    def old_handled_mail_is_deleted(self) -> None:
        self.world.even_clock()
        self.world.delete_handled_after = timedelta(hours=1)
        self.world.tick(3700)
        self.world.delete_handled_after = None

    @rule()
    def old_rows_are_compacted(self) -> None:
        before = self.world.rows()
        with self.world.undisturbed():
            self.world.compact(keep=3600.0)
        left = {row.key for row in self.world.rows()}
        for row in before:
            if row.key not in left:
                assert row.state is not State.PENDING
                self.compacted[row.fingerprint][row.state] += 1
                self.settled_done.pop(row.key, None)
                self.world.recorded.pop(row.key, None)  # should it come back, it is a message like any other
                self.counts.pop(row.key, None)
                self.world.counts = {known: only for known, only in self.world.counts.items() if known[0] != row.key}

    # -- what must hold at every step

    def _moves(self, folder: str, uidvalidity: int, uids: Sequence[int], target: str) -> None:
        """Nothing is moved before its outcome is recorded, but what a person has released and isn't handled yet."""
        placed = {
            row.place.uid: row
            for row in self.world.rows()
            if (row.place.folder, row.place.uidvalidity) == (folder, uidvalidity)
        }
        for uid in uids:
            row = placed.get(uid)
            assert row is not None, f"moved what the journal doesn't know: {folder} {uid}"
            if row.state is State.PENDING and row.key in self.asked_for:
                assert (row.released, target) == (True, INBOX), row
                continue
            if row.state is State.PENDING and row.key in self.retried:
                assert target == INBOX, row
                continue
            assert row.state in (State.HANDLED, State.JUNK, State.FAILED), row
            assert row.settle_to == target or not target, row

    @invariant()
    def not_all_is_seen(self) -> None:
        """Notes what the worker can't see: closed folders, and, without MOVE, whether a copy is the worker's own."""
        if not hasattr(self, "world"):
            return
        for folder in self.world.server.closed:
            self.unseen |= {_mark(one.raw) for one in self.world.server.all_mail(folder)}
        if "MOVE" not in self.world.server.capabilities:
            halfway = [row for row in self.world.rows() if row.settle_to is not None and not row.settled]
            self.unseen |= {row.fingerprint for row in halfway}

    def _fewest(self, raw: bytes, moving: Collection[str] = ()) -> int:
        """How many messages with these bytes are accounted for at least. moving: marks of those that may have moved."""
        left, mark = self.origins[raw] - self.removed[raw], _mark(raw)
        return min(left, 1) if mark in self.unseen or mark in moving else left

    def _hidden(self) -> set[str]:
        """Marks of messages with the same bytes of which nobody can tell which one is where."""
        twins = {_mark(raw) for raw, came in self.origins.items() if came > 1}
        return (self.unseen | self.renumbered) & twins

    def _uncertain(self) -> set[str]:
        """Marks of messages of which one may count as gone beside the row that it has elsewhere."""
        return self.unseen | self._hidden()

    def _is_spare(self, row: Record) -> bool:
        """Whether this row and another one may be about the same message. This one is gone in the end."""
        is_doubted = row.doubtful or row.fingerprint in self._uncertain()
        return is_doubted and row.state in (State.GONE, State.PENDING)

    def _releases_in_doubt(self, rows: Iterable[Record]) -> Counter[str]:
        """How often a release, by a person's word or by a move, was about what might have been handled before."""
        moved_out = self.world.told.keys_moved_out
        return self.released_in_doubt + Counter(row.fingerprint for row in rows if row.key in moved_out)

    @invariant()
    def calls_are_right(self) -> None:
        if not hasattr(self, "world"):
            return
        for call in self.world.calls[self.checked_calls :]:
            self._check(call)
        self.checked_calls = len(self.world.calls)

    def _check(self, call: Call) -> None:
        assert call.key.startswith(_mark(call.raw)) or self.world.headers_only, "the key isn't this message's"
        if call.handler != "quarantine":
            assert call.path is MailPath.CLEAN
            if call.key in self.asked_for or (call.redelivery and call.key in self.was_handled):
                return
            released = call.key in self.world.told.keys_moved_out
            assert released or b"X-Is-Junk" not in call.raw, "junk reached a clean handler"
            assert call.folder != JUNK, "mail of the junk folder reached a clean handler"
        else:
            assert call.path is MailPath.JUNK

    @invariant()
    def the_done_stays_done(self) -> None:
        """Handled and dead-lettered mail is never open again; nor is what was handled handed over.

        A person can release a dead letter of the junk path, and have handled mail handled again.
        """
        if not hasattr(self, "world"):
            return
        now = {row.key: row.state for row in self.world.rows()}
        for key, state in self.settled_done.items():
            if (state is State.FAILED and key in self.asked_for | self.retried) or (
                state is State.HANDLED and key in self.asked_again
            ):
                continue
            assert now.get(key) is state, f"{key} was {state} and is {now.get(key)}"
        self.settled_done = {key: state for key, state in now.items() if state in (State.HANDLED, State.FAILED)}

    @invariant()
    def what_is_in_junk_can_be_told_from_what_is_not(self) -> None:
        if hasattr(self, "world"):
            for row in self.world.rows():
                is_clean = row.verdict.path is MailPath.CLEAN
                assert not (row.state is State.JUNK and is_clean), row
                assert is_clean or not row.released, row

    @invariant()
    def nothing_done_is_handed_over(self) -> None:
        if hasattr(self, "world"):
            assert not self.world.repeated, self.world.repeated

    @invariant()
    def no_count_is_skipped_or_goes_back(self) -> None:
        if hasattr(self, "world"):
            for row in self.world.rows():
                before = self.counts.get(row.key, 0)
                assert before <= row.redelivery <= self.asked_again[row.key], row
                assert all((row.key, count) in self.world.counts for count in range(1, row.redelivery + 1)), row
                self.counts[row.key] = row.redelivery

    @invariant()
    def reconcile_agrees(self) -> None:
        """Each message is counted once, in the state of its row; what isn't accounted for was taken before its end.

        But for what never showed a header: once its place isn't known any more, as after a move without COPYUID,
        nothing tells it from others.
        """
        if not hasattr(self, "world"):
            return
        balance, rows = self.world.balance(), {row.key: row for row in self.world.rows()}
        counts = Counter(row.state for row in rows.values()) + Counter(self.world.journal.compacted())
        for state in (State.HANDLED, State.JUNK, State.FAILED, State.GONE):
            assert getattr(balance, state.value) == counts[state], balance
        taken = {_mark(raw) for raw, times in self.removed.items() if times}
        for key in balance.unaccounted_keys:
            assert key in rows, f"{key} was passed over"
            if rows[key].fingerprint in self._uncertain():
                continue
            assert rows[key].state is State.PENDING, rows[key]
            assert rows[key].fingerprint in taken | {NEVER_READ}, f"{key} is where it was, and isn't found"
        came = self.origins.total()
        halfway = [row.fingerprint for row in rows.values() if row.settle_to is not None and not row.settled]
        assert balance.seen >= sum(self._fewest(raw, halfway) for raw in self.origins), "lost"
        if not self.ever_headless and not self.compacted and self.world.server.copyuid:
            # Without COPYUID a moved message is known by its header alone: a look-alike that comes back to a watched
            # folder is counted beside its row, until the next poll. In the end the books balance there too. Without
            # MOVE, so is a copy whose original was yet to be deleted when the connection was lost.
            copied = 0 if "MOVE" in self.world.server.capabilities else len(halfway)
            spare = sum(map(self._is_spare, rows.values())) + self._releases_in_doubt(rows.values()).total()
            assert balance.seen <= came + copied + spare, "one message was taken for two"

    def teardown(self) -> None:
        try:
            self.ends_well()
        finally:
            for bound in self.at_once:
                bound.stop()

    def ends_well(self) -> None:
        """In the end each message has its end, and the books balance."""
        if not hasattr(self, "world"):
            return
        world = self.world
        Facts(world.database).resume()
        world.hung.clear()
        world.down = False
        world.server.closed.clear()
        world.hands.end_hang()
        for one in world.server.all_mail():
            _show(one)
        world.drain()
        for _ in range(2 if world.intents.open() else 0):  # those that wait for messages whose places aren't known
            world.start()
            world.drain()
        self.calls_are_right()
        self.the_done_stays_done()
        self.nothing_done_is_handed_over()
        self._each_has_its_end()
        self._each_count_was_handed_over()
        self._the_books_balance()
        world.database.close()

    def _each_has_its_end(self) -> None:
        """Each message has one row. A moved one may have been taken for another that has its headers, and been taken
        away before its content could show that it isn't: then that one counts as gone.
        """
        rows: dict[str, list[Record]] = defaultdict(list)
        for row in self.world.rows():
            rows[row.fingerprint].append(row)
        never_read = 0
        for raw, came in self.origins.items():
            mine = rows.get(_mark(raw), [])
            compacted = self.compacted[_mark(raw)]
            states = Counter(row.state for row in mine) + compacted
            done = states[State.HANDLED] + states[State.JUNK] + states[State.FAILED]
            note(f"{_mark(raw)}: {came} came, {self.removed[raw]} taken away, {states}")
            assert states[State.PENDING] == 0
            if raw in self.ever_headless:
                never_read += max(0, self._fewest(raw) - done)
                continue
            confused = states[State.GONE] if _mark(raw) in self._hidden() else 0
            assert done + confused >= self._fewest(raw), "lost"
            spare = sum(map(self._is_spare, mine)) + self._releases_in_doubt(mine)[_mark(raw)]
            assert len(mine) - spare <= came, "one message was taken for two"
            is_uncertain = _mark(raw) in self._uncertain()
            assert states[State.GONE] <= self.removed[raw] or is_uncertain, "gone, and nobody took it away"
            self._right_end(raw, states, mine)
        assert never_read <= len(rows[NEVER_READ]), "lost"
        for name in WATCHED:
            for one in self.world.server.all_mail(name):
                self._may_lie(one, name, rows[_mark(one.raw)])

    def _each_count_was_handed_over(self) -> None:
        """Once each request has its end, the handlers that it was about have had the message with its count."""
        assert self.world.intents.open() == []
        finished: dict[tuple[str, int], set[str]] = defaultdict(set)
        for call in self.world.finished:
            finished[call.key, call.redelivery].add(call.handler)
        in_junk = {_mark(raw) for raw in self.been_in_junk}  # of junk, handlers may have had only the headers
        for row in self.world.rows():
            for number in range(1, row.redelivery + (row.state in (State.HANDLED, State.JUNK))):
                has_changed_path = row.fingerprint in in_junk and self._is_for_junk_alone(row)
                assert finished[row.key, number] or has_changed_path, f"{row.key} was never handled again"
        for call in self.world.calls:
            only = self.world.counts.get((call.key, call.redelivery))
            if only is not None and _mark(call.raw) not in in_junk and b"X-Is-Junk" not in call.raw:
                assert call.handler == only, "another handler than the one that was named"

    def _is_for_junk_alone(self, row: Record) -> bool:
        """Whether a person asked to have it handled again by a handler that only junk has."""
        return any(self.world.counts.get((row.key, number)) == "quarantine" for number in range(1, row.redelivery + 1))

    def _right_end(self, raw: bytes, states: Counter[State], rows: list[Record]) -> None:
        wanted = ENDS.get(kind(raw), State.HANDLED)
        allowed = {wanted, State.GONE}
        if b"X-Is-Junk" in raw:
            allowed = {State.JUNK, State.GONE}
            if kind(raw) in ("poison", "unroutable", "reject", "always"):
                allowed |= {State.FAILED}
        elif raw in self.been_in_junk:
            allowed |= {State.JUNK, State.FAILED} if wanted is State.FAILED else {State.JUNK}
        if any(row.released or row.key in self.asked_for for row in rows):
            allowed |= {wanted}
        if raw in self.ever_blank or self.been_down:
            allowed |= {State.FAILED}
        if any(self._is_for_junk_alone(row) for row in rows):
            allowed |= {State.FAILED}  # it is clean by now, and the clean path doesn't have that handler
        for row in rows:
            assert not row.released or row.state is not State.JUNK, "released, and in junk"
        assert set(states) <= allowed | {State.PENDING}, (states, allowed)

    def _may_lie(self, one: Mail, folder: str, rows: list[Record]) -> None:
        if folder == INBOX:
            stays = [row for row in rows if row.settle_to is None]
            assert stays, "done mail was left in INBOX"

    def _the_books_balance(self) -> None:
        balance = self.world.balance()
        rows, unaccounted = {row.key: row for row in self.world.rows()}, set(balance.unaccounted_keys)
        assert {rows[key].fingerprint for key in unaccounted} <= self._uncertain()
        states = Counter(row.state for key, row in rows.items() if key not in unaccounted)
        states += sum(self.compacted.values(), Counter())
        for state in State:
            assert getattr(balance, state.value) == states[state]
        assert balance.seen == sum(states.values()) + len(unaccounted)
        for name in WATCHED:
            placed = {row.place.uid for row in self.world.journal.in_folder(name)}
            left = [one for uid, one in self.world.server.folders[name].mails.items() if uid not in placed]
            assert {_mark(one.raw) for one in left} <= self._hidden(), "a message without a row"


NEVER_READ = fingerprint(ACCOUNT, Headers(()))
"""What is known of a message of which the server never showed a header."""


def _show(one: Mail) -> None:
    """The server has nothing against this message any more."""
    one.headless = one.bodiless = one.breaks = one.unsearched = one.veiled = False
    one.nailed = one.breaks_at_move = one.breaks_after_move = False


@cache
def _mark(raw: bytes) -> str:
    return fingerprint(ACCOUNT, Headers.from_bytes(raw))


def test_the_account_of_messages() -> None:
    run(Mailbox, examples=50, steps=25)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_the_account_of_messages_at_length() -> None:
    run(Mailbox, examples=20_000 if os.environ.get("HYPOTHESIS_PROFILE") == "soak" else 200, steps=40)
