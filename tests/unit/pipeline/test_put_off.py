"""What is put off is left out once in any case, and then for its wait."""

from worker.pipeline.put_off import PutOff

WAIT = 300.0


def test_it_is_left_out_at_its_next_turn_and_then_for_its_wait() -> None:
    now = 1_000.0
    put_off: PutOff[int] = PutOff(lambda: now)
    assert not put_off
    assert not put_off.waits(1, WAIT)
    put_off.add([1, 2])
    assert list(put_off) == [1, 2]
    now += 10 * WAIT  # however late its next turn is
    assert put_off.waits(1, WAIT)
    now += WAIT - 1
    assert put_off.waits(1, WAIT)
    now += 1
    assert not put_off.waits(1, WAIT)
    assert list(put_off) == [2]
    put_off.forget(2)
    put_off.forget(2)
    assert not put_off


def test_a_wait_is_over_if_the_clock_was_set_back() -> None:
    now = 1_000.0
    put_off: PutOff[str] = PutOff(lambda: now)
    put_off.add(["one"])
    assert put_off.waits("one", WAIT)
    now -= 1
    assert not put_off.waits("one", WAIT)
