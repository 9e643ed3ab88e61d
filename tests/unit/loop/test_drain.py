"""`once`: whose turn it is, what is waited for, and what it leaves behind where it fails."""

import pytest

from tests.unit.loop.test_cycle import COOLING, HALTED
from tests.unit.loop.world import Parts
from worker.login.refusals import Halted
from worker.loop.drain import Drained, LeaseHeld, Paused
from worker.mailbox.errors import ConnectionLost


def test_a_drain_looks_at_the_age_too_unless_it_isnt_its_turn() -> None:
    for parts, ending in (
        (Parts([HALTED]), Halted),
        (Parts(held=False), LeaseHeld),
        (Parts(is_paused=True), Paused),
    ):
        with pytest.raises(ending):
            parts.drain().run(Drained())
        assert parts.looks == 1


@pytest.mark.parametrize("error", [HALTED, COOLING, ConnectionLost("reset")])
def test_what_keeps_the_first_connection_from_coming_about_is_raised_and_noted(error: Exception) -> None:
    parts = Parts([error])
    with pytest.raises(type(error)):
        parts.drain().run(Drained(new=3))
    assert [(poll.ok, poll.new) for poll in parts.noted] == [(False, 3)]


def test_whoever_has_no_turn_notes_nothing() -> None:
    for parts in (Parts(held=False), Parts(is_paused=True)):
        with pytest.raises((LeaseHeld, Paused)):
            parts.drain().run(Drained())
        assert parts.noted == []
