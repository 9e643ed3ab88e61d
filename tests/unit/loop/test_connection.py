"""When a connection waits for each answer, and how long to wait after lost ones."""

from types import SimpleNamespace
from typing import Any

import pytest

from worker.loop.connection import LASTING, LEAST_OF_MANY, MANY_LOGINS, Connector, ReconnectWaits


class Session:
    def __init__(self) -> None:
        self.is_open = True
        self.is_careful = False
        self.ended_ahead = False

    def be_careful(self, *, careful: bool) -> None:
        self.is_careful = careful

    def close(self) -> None:
        self.is_open = False


@pytest.fixture
def connector(monkeypatch: pytest.MonkeyPatch) -> Connector:
    monkeypatch.setattr("worker.loop.connection.log_in", lambda _session, _guard: [])
    unused: Any = None
    finder: Any = SimpleNamespace(find=lambda _session, _listed: SimpleNamespace(absent=()), create=lambda *_: None)
    settle: Any = SimpleNamespace(check=lambda _session: None)
    return Connector(new_session=lambda: Session(), guard=unused, finder=finder, settle=settle)  # type: ignore[arg-type,return-value] # a fake


def is_careful(session: Any) -> bool:
    careful: bool = session.is_careful
    return careful


def lost(connector: Connector, *, ahead: bool) -> None:
    session: Any = connector.current()
    session.is_open, session.ended_ahead = False, ahead
    connector.close()


def test_after_a_loss_at_something_asked_for_ahead_it_is_careful_until_a_poll_has_gone_through(
    connector: Connector,
) -> None:
    assert not is_careful(connector.session()[0])
    for ahead in (True, False, True):
        lost(connector, ahead=ahead)
        session, is_new = connector.session()
        assert (is_new, is_careful(session)) == (True, ahead)
    assert connector.session() == (session, False)
    assert not is_careful(session)
    lost(connector, ahead=False)
    assert not is_careful(connector.session()[0])


def test_the_waits_grow_and_the_last_repeats_until_a_connection_has_done_its_work() -> None:
    waits = ReconnectWaits((1.0, 5.0))
    assert [waits.next(0.0) for _ in range(3)] == [1.0, 5.0, 5.0]
    assert (waits.losses, waits.longest) == (3, 5.0)
    waits.start_over()
    assert (waits.next(0.0), waits.losses) == (1.0, 1)


def test_they_are_used_up_when_each_was_waited() -> None:
    waits = ReconnectWaits((1.0, 5.0))
    used_up = []
    for _ in range(3):
        used_up.append(waits.are_used_up)
        waits.next(0.0)
    assert used_up == [False, False, True]


def test_whoever_asks_for_a_longer_wait_is_given_it() -> None:
    waits = ReconnectWaits((1.0, 5.0))
    assert (waits.next(90.0), waits.next(3.0)) == (90.0, 5.0)


def test_only_a_connection_that_lasted_makes_the_next_loss_the_first() -> None:
    for lasted, wait in ((LASTING - 1.0, 5.0), (LASTING, 1.0)):
        waits = ReconnectWaits((1.0, 5.0))
        waits.next(0.0)
        waits.connected(100.0)
        waits.lost(100.0 + lasted, logins=1)
        assert waits.next(0.0) == wait
        waits.lost(100.0 + 10 * LASTING, logins=1)  # refused: no connection is older for that
        assert waits.next(0.0) == 5.0


def test_after_many_logins_without_a_connection_that_lasted_it_waits_a_minute_at_least() -> None:
    waits = ReconnectWaits((1.0,))
    for logins, wait in ((MANY_LOGINS - 1, 1.0), (MANY_LOGINS, LEAST_OF_MANY), (MANY_LOGINS, LEAST_OF_MANY)):
        waits.lost(0.0, logins=logins)
        assert waits.next(0.0) == wait
    waits.connected(0.0)
    waits.lost(LASTING, logins=MANY_LOGINS + 1)
    assert waits.next(0.0) == 1.0
