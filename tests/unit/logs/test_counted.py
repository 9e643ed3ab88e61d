import pytest

from worker.logs.counted import agreeing, counted


@pytest.mark.parametrize(
    ("number", "thing", "said"),
    [
        (0, "message", "0 messages"),
        (1, "message", "1 message"),
        (2, "message", "2 messages"),
        (1460, "message", "1,460 messages"),
        (1, "copy", "1 copy"),
        (2, "copy", "2 copies"),
        (2, "day", "2 days"),
        (2, "failed try", "2 failed tries"),
        (1, "address", "1 address"),
        (3, "address", "3 addresses"),
        (-1, "day", "-1 days"),
    ],
)
def test_the_thing_agrees_with_its_number(number: int, thing: str, said: str) -> None:
    assert counted(number, thing) == said


@pytest.mark.parametrize(("number", "said"), [(0, "have"), (1, "has"), (2, "have")])
def test_so_does_the_word_after_it(number: int, said: str) -> None:
    assert agreeing(number, "has", "have") == said
