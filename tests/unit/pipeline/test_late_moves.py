"""A message whose MOVE ends the connection keeps no other message waiting."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.fakes.checks import Logged, assert_balanced, fields, handed
from tests.fakes.mailbox import FAILED, INBOX, PROCESSED, Server, mail
from tests.fakes.world import World
from worker.journal.records import Place
from worker.mailbox.bisection import MOST_REFUSED
from worker.mailbox.errors import CommandRefused, ConnectionLost, MailboxError, ProtocolFault, Throttled, TokenExpired
from worker.message.outcome import State
from worker.pipeline.dispatch import Bounds
from worker.pipeline.late_moves import ENDED_WAITS, REFUSED_WAIT, LateMoves
from worker.pipeline.settlement import Settlement


@pytest.fixture
def world() -> World:
    """A world whose server knows MOVE. Without it, what was copied and isn't deleted yet can't wait."""
    return World(Server(capabilities=["MOVE", "UIDPLUS", "IDLE"]))


PIPELINING = pytest.mark.parametrize("pipelines", [True, False])


@PIPELINING
def test_a_move_that_ends_the_connection_keeps_no_other_message_waiting(
    world: World, pipelines: bool, logged: Logged
) -> None:
    world.server.pipelines = pipelines
    for _ in range(4):
        world.server.deliver(mail())
    bad = world.server.deliver(mail(), breaks_at_move=True)
    for _ in range(5):
        world.server.deliver(mail())
    world.tick()
    for _ in range(10):
        world.server.deliver(mail())
    for _ in range(4):
        world.tick()
    assert world.states() == {State.HANDLED: 20}
    assert world.server.all_mail(INBOX) == [bad]
    assert len(world.server.all_mail(PROCESSED)) == 19
    assert world.server.sessions == 3
    there = {"folder": INBOX, "target": PROCESSED, "reason": "connection-lost"}
    assert fields(logged, "mailbox.move_refused") == [{"count": 1, **there}]

    bad.breaks_at_move = False
    world.drain()
    assert not world.server.all_mail(INBOX)
    assert world.server.sessions == 3
    assert len(handed(world)) == 20
    assert_balanced(world, handled=20, missing=0)


@PIPELINING
@pytest.mark.parametrize("at_once", [1, 3])
def test_so_it_does_in_the_middle_of_a_backlog(
    world: World, pipelines: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the answer to the move is read together with mail that was asked for."""
    monkeypatch.setattr("worker.pipeline.outbox.SETTLE_AT_ONCE", at_once)
    world.server.pipelines = pipelines
    world.bounds = Bounds(batch_bytes=1_000_000, batch_count=3, patience=1.0)
    world.start()
    bad = [world.server.deliver(mail(), breaks_at_move=number == 7) for number in range(40)][7]
    for _ in range(5):
        world.tick()
    assert world.states() == {State.HANDLED: 40}
    assert world.server.all_mail(INBOX) == [bad]
    assert world.server.sessions == 3
    bad.breaks_at_move = False
    world.drain()
    assert len(handed(world)) == 40
    assert_balanced(world, handled=40, missing=0)


@PIPELINING
def test_a_move_that_goes_on_ending_connections_costs_one_for_each_wait(world: World, pipelines: bool) -> None:
    world.server.pipelines = pipelines
    world.server.deliver(mail(), breaks_at_move=True)
    for _ in range(30):
        world.server.deliver(mail())
        world.tick(120)
    assert world.states() == {State.HANDLED: 31}
    assert len(world.server.all_mail(PROCESSED)) == 30
    assert world.server.sessions <= 3 + 30 * 120 // 300


def test_every_other_poll_ends_well_however_seldom_the_mailbox_is_polled(world: World) -> None:
    world.server.deliver(mail(), breaks_at_move=True)
    world.tick()
    ended = []
    for _ in range(10):
        sessions = world.server.sessions
        world.tick(2 * ENDED_WAITS[-1])
        world.server.deliver(mail())
        ended.append(world.connector.current() is None)
        assert world.server.sessions - sessions <= 1
    assert ended == [True, False] * 5


def test_several_bad_messages_are_found_one_after_the_other(world: World) -> None:
    bad = [world.server.deliver(mail(), breaks_at_move=number % 10 == 3) for number in range(40)][3::10]
    for _ in range(6):
        world.tick()
        world.server.deliver(mail())
    world.tick()
    assert world.server.all_mail(INBOX) == bad
    assert world.server.sessions <= 2 + len(bad)
    for one in bad:
        one.breaks_at_move = False
    world.drain()
    assert_balanced(world, handled=46, missing=0)
    assert len(handed(world)) == 46


def test_where_every_move_ends_the_connection_mail_is_handled_and_few_logins_are_made(world: World) -> None:
    for _ in range(40):
        world.server.deliver(mail(), breaks_at_move=True)
    for _ in range(10):
        world.tick()
    assert world.states() == {State.HANDLED: 40}
    sessions = world.server.sessions
    for _ in range(60):
        world.tick()
    assert world.server.sessions - sessions <= 60 * 60 // 300
    for one in world.server.all_mail():
        one.breaks_at_move = False
    world.drain()
    assert_balanced(world, handled=40, missing=0)
    assert len(handed(world)) == 40


@PIPELINING
@pytest.mark.parametrize("copyuid", [True, False])
def test_what_was_moved_before_the_connection_ended_is_found_in_its_target(
    world: World, pipelines: bool, copyuid: bool
) -> None:
    world.server.pipelines, world.server.copyuid = pipelines, copyuid
    for number in range(6):
        world.server.deliver(mail(), breaks_after_move=number == 3)
    world.tick()
    for _ in range(6):
        world.server.deliver(mail())
        world.tick()
    world.drain()
    assert world.states() == {State.HANDLED: 12}
    assert not world.server.all_mail(INBOX)
    assert len({one.origin for one in world.server.all_mail(PROCESSED)}) == 12
    assert len(world.server.all_mail(PROCESSED)) == 12
    assert len(handed(world)) == 12
    assert_balanced(world, handled=12, missing=0)


@PIPELINING
def test_a_suspect_that_was_taken_away_is_asked_for_no_more(world: World, pipelines: bool) -> None:
    world.server.pipelines = pipelines
    bad = world.server.deliver(mail(), breaks_at_move=True)
    for _ in range(3):
        world.tick()
    world.server.delete(bad)
    world.drain()
    assert world.server.sessions == 3
    assert world.places.unsettled() == []


def test_a_dead_letter_at_whose_move_the_connection_ends_is_handled_from_where_it_lies(world: World) -> None:
    dead = world.server.deliver(mail("reject"))
    world.drain()
    (failed,) = world.server.all_mail(FAILED)
    failed.raw, failed.breaks_at_move = dead.raw.replace(b"reject", b"ok    "), True
    world.retry(world.rows()[0].key)
    world.server.deliver(mail())
    for _ in range(3):
        world.tick()
    assert world.states() == {State.HANDLED: 2}
    assert world.intents.open() == []
    failed.breaks_at_move = False
    world.drain()
    assert not world.server.all_mail(FAILED)
    assert_balanced(world, handled=2, missing=0)


def test_a_restart_learns_again_which_move_ends_the_connection(world: World) -> None:
    world.server.deliver(mail(), breaks_at_move=True)
    for _ in range(3):
        world.tick()
    world.start()
    for _ in range(3):
        world.server.deliver(mail())
        world.tick()
    world.tick()
    assert world.states() == {State.HANDLED: 4}
    assert len(world.server.all_mail(PROCESSED)) == 3


def test_a_connection_that_ended_once_puts_nothing_off(world: World) -> None:
    one = world.server.deliver(mail(), breaks_at_move=True)
    world.tick()
    one.breaks_at_move = False
    world.tick()
    assert not world.server.all_mail(INBOX)
    assert world.server.sessions == 2


class Late:
    """What is late, and some messages by their rows."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.moves = LateMoves(lambda: self.now)

    def move(self, *rows: int, alone: bool = False, fails: Callable[[], MailboxError] | None = ConnectionLost) -> None:
        """Move these. fails: the error that this ends with; None: it works."""
        try:
            with self.moves.at_risk(rows, INBOX, PROCESSED, alone=alone):
                if fails is not None:
                    raise fails()
        except MailboxError:
            pass

    def due(self, *rows: int) -> list[int]:
        return [item.id for item in self.moves.due([Settlement(row, "", Place(INBOX, 1, row), "") for row in rows])]


@pytest.fixture
def late() -> Late:
    """What is late."""
    return Late()


def came_earlier() -> MailboxError:
    error = ConnectionLost()
    error.came_earlier()
    return error


@pytest.mark.parametrize(
    "fails",
    [
        None,
        came_earlier,
        lambda: CommandRefused(""),
        TokenExpired,
        lambda: Throttled("", after=timedelta(minutes=1)),
    ],
)
def test_what_is_not_the_fault_of_a_message_makes_it_no_suspect(
    late: Late, fails: Callable[[], MailboxError] | None
) -> None:
    late.move(1, 2, fails=fails)
    late.moves.suspect([3])
    late.move(3, alone=True, fails=fails)
    assert [late.moves.is_suspect(row) for row in (1, 2, 3)] == [False, False, True]
    assert late.due(1, 2, 3) == [3]


@pytest.mark.parametrize("fails", [ConnectionLost, lambda: ProtocolFault("")], ids=["lost", "fault"])
def test_a_suspect_is_put_off_longer_each_time(late: Late, fails: Callable[[], MailboxError]) -> None:
    late.move(1, 2, fails=fails)
    assert late.due(1, 2) == [1, 2]
    for wait in (*ENDED_WAITS, ENDED_WAITS[-1]):
        late.move(1, alone=True, fails=fails)
        late.now += 10 * ENDED_WAITS[-1]
        assert late.due(2, 1) == [2]
        late.now += wait - 1
        assert late.due(2, 1) == [2]
        late.now += 1
        assert late.due(1, 2) == [2, 1]
    late.moves.clear([1])
    late.move(1)
    late.move(1, alone=True)
    assert late.due(1) == []
    late.now += ENDED_WAITS[0]
    assert late.due(1) == [1]


def test_a_wait_is_over_if_the_clock_was_put_back(late: Late) -> None:
    late.move(1)
    late.move(1, alone=True)
    assert late.due(1) == []
    late.now -= 1
    assert late.due(1) == [1]


def test_after_many_in_a_row_all_suspects_wait_and_the_next_is_another_one(late: Late) -> None:
    rows = range(1, MOST_REFUSED + 3)
    late.move(*rows)
    for row in rows[: MOST_REFUSED - 1]:
        late.move(row, alone=True)
    assert late.due(*rows) == [*rows[MOST_REFUSED - 1 :]]
    late.move(rows[MOST_REFUSED - 1], alone=True)
    assert late.due(*rows) == []
    late.now += ENDED_WAITS[0]
    assert late.due(*rows)[:2] == [*rows[MOST_REFUSED:]]

    late.move(rows[MOST_REFUSED], alone=True, fails=None)
    late.move(rows[0], alone=True)
    assert late.due(*rows[MOST_REFUSED:]) == [*rows[MOST_REFUSED:]]


def test_a_suspect_that_the_server_refuses_to_move_is_none_any_more(world: World) -> None:
    one = world.server.deliver(mail(), breaks_at_move=True)
    world.tick()
    one.breaks_at_move, one.nailed = False, True
    world.tick()
    one.nailed = False
    world.tick(REFUSED_WAIT)
    assert not world.server.all_mail(INBOX)
    assert world.server.sessions == 2
    assert world.places.unsettled() == []


def test_a_suspect_whose_folder_is_not_opened_stays_one(late: Late) -> None:
    late.move(1)
    late.moves.refused([1])
    assert late.moves.is_refused(1)
    late.now += REFUSED_WAIT
    assert late.moves.ask_again()
    assert not late.moves.is_refused(1)
    assert late.due(1) == [1]
