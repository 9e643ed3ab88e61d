"""What is remembered of the mailbox's size comes back as it was, and what can't be read counts as nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.journal import Texts
from worker.journal.size_note import Fullness, Sample, SizeNote, read_size, write_size

BYTES = st.integers(0, 2**53)
TIMES = st.floats(0, 4e9)
NOTES = st.builds(
    SizeNote,
    at=TIMES,
    used=BYTES,
    limit=st.integers(1, 2**53),
    estimate=st.booleans(),
    told=st.booleans(),
    fullness=st.sampled_from(Fullness),
    days_left=st.none() | st.integers(0, 3650),
    samples=st.lists(st.builds(Sample, at=TIMES, used=BYTES, estimate=st.booleans()), max_size=40).map(tuple),
)


@given(NOTES)
def test_it_comes_back_as_it_was(note: SizeNote) -> None:
    facts: Any = Texts()
    write_size(facts, note)
    assert read_size(facts) == note


@pytest.mark.parametrize("text", ["", "null", "{", "[1]", "3", '{"samples": 3}', '{"samples": [], "fullness": "new"}'])
def test_what_cannot_be_read_is_nothing(text: str) -> None:
    facts: Any = Texts()
    facts.remember("mailbox.size", text)
    assert read_size(facts) is None


def test_per_cent_are_rounded_down_so_that_full_means_full() -> None:
    assert SizeNote(0.0, 999, 1000, estimate=False, told=True).percent == 99
    assert SizeNote(0.0, 1001, 1000, estimate=True, told=False).percent == 100
