"""Sets of UIDs as the protocol writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mailbox import uid_sets

UIDS = st.sets(st.integers(1, 2**32 - 1) | st.integers(1, 60))


@given(UIDS)
def test_a_set_written_and_read_is_the_same_set(wanted: set[int]) -> None:
    if wanted:
        assert uid_sets.expand(uid_sets.compress(wanted)) == sorted(wanted)


@given(UIDS, st.integers(1, 50))
def test_chunks_are_everything_once_in_order(wanted: set[int], size: int) -> None:
    chunks = list(uid_sets.chunks(wanted, size))
    assert [uid for chunk in chunks for uid in chunk] == sorted(wanted)
    assert all(0 < len(chunk) <= size for chunk in chunks)


def test_sets_as_the_protocol_writes_them() -> None:
    assert uid_sets.compress([7, 1, 3, 2]) == "1:3,7"
    assert uid_sets.compress([]) == ""
    assert uid_sets.compress([5, 5, 6]) == "5:6"
    assert uid_sets.expand("3:1,7") == [3, 2, 1, 7]


@pytest.mark.parametrize(
    "text", ["", "a", "1,", "1:", ":1", "1:2:3", "1:4294967295", "*", "0", "0:1", "1:0", "4294967296"]
)
def test_what_is_no_set(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the words are Python's own
        uid_sets.expand(text)
