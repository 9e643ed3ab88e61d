"""Keys are found by their beginnings."""

from tests.unit.journal.world import new
from worker.journal.messages import Messages

A, B, C = "abcd" + "e" * 22, "abcf" + "e" * 22, "bbbb" + "e" * 22


def test_keys_are_found_by_beginning_and_number_in_order_and_counted(messages: Messages) -> None:
    messages.add([new(B, 1), new(A, 2), new(A, 3), new(C, 4)], 1.0)
    assert messages.keys_like("abc", most=5) == ([A, f"{A}-2", B], 3)
    assert messages.keys_like("abc", most=2) == ([A, f"{A}-2"], 3)
    assert messages.keys_like("abc", "-2", most=2) == ([f"{A}-2"], 1)
    assert messages.keys_like("abce", most=5) == ([], 0)


def test_what_like_takes_for_a_wildcard_is_a_character(messages: Messages) -> None:
    messages.add([new(A, 1), new(B, 2)], 1.0)
    assert messages.keys_like("ab%", most=5) == ([], 0)
    assert messages.keys_like("ab__", most=5) == ([], 0)
    assert messages.keys_like("ab", "%e", most=5) == ([], 0)
