"""IMAP keywords."""

from hypothesis import given
from hypothesis import strategies as st

from worker.classify import keywords


@given(st.frozensets(st.text() | st.sampled_from(["$Junk", "$JUNK", "$junk", "$NotJunk", "$Phishing"])))
def test_keywords_of_any_kind(words: frozenset[str]) -> None:
    found = {reading.value for reading in keywords.read(words)}
    assert ("$Junk" in found) == bool(words & {"$Junk", "$JUNK", "$junk"})
    assert found <= {"$Junk", "$Phishing"}
