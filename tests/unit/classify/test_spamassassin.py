"""SpamAssassin's X-Spam-Status."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.grammars import POLICY, odd_case, scores, spaces
from worker.classify import spamassassin
from worker.classify.reading import number


@given(st.data(), st.sampled_from(["Yes", "No"]), st.sampled_from(["score", "hits"]), scores, scores)
def test_spamassassin_status(data: st.DataObject, word: str, name: str, score: str, required: str) -> None:
    status = f"{data.draw(odd_case(word))},{data.draw(spaces)} {name}={score} required={required}\r\n\ttests=A,B_YES"
    (reading,) = spamassassin.read_status(status, POLICY)
    assert reading.value == f"{word} score={number(score)} required={number(required)}"
    assert reading.suspicious == (word == "Yes")
