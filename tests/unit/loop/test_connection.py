"""How long to wait after lost connections."""

from worker.loop.connection import ReconnectWaits


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
