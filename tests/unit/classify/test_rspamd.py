"""Rspamd's X-Spamd-Result."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.grammars import POLICY, odd_case, scores, spaces
from worker.classify import rspamd
from worker.classify.reading import number


@given(
    st.data(),
    st.sampled_from(["True", "False"]),
    scores,
    scores,
    st.text(alphabet="abcXYZ09_.-", min_size=1, max_size=64),
)
def test_rspamd_result(data: st.DataObject, word: str, score: str, required: str, name: str) -> None:
    space = data.draw(spaces)
    said = data.draw(odd_case(word))
    result = f"{name}{space}:{space}{said}{space}[{space}{score}{space}/ {required}{space}]{space};A(1)[]"
    (reading,) = rspamd.read_result(result, POLICY)
    assert reading.value == f"{word} score={number(score)} required={number(required)}"
    assert reading.suspicious == (word == "True")
