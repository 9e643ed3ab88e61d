"""A few of the broken messages that `make soak` makes for ten minutes."""

from tests.fuzz.message import SECONDS, Found, made, try_one


def test_broken_mail_gives_nothing_but_its_own_errors() -> None:
    found = Found()
    for number in range(150):
        try_one(number, found)
    assert found.wrong == []
    assert found.slowest[0] < SECONDS
    assert 0 < sum(found.refused.values()) < found.messages


def test_a_number_makes_the_same_message_again() -> None:
    assert made(7) == made(7)
    assert len({made(number) for number in range(50)}) == 50
