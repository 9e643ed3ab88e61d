"""Exchange's composite sender check."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.grammars import POLICY, odd_case, spaces
from worker.classify import authentication


@given(st.data(), st.sampled_from(["fail", "pass", "softpass", "none"]), st.integers(0, 999))
def test_composite_sender_checks(data: st.DataObject, result: str, reason: int) -> None:
    text = f"spf=pass;{data.draw(spaces)}{data.draw(odd_case(f'compauth={result}'))} reason={reason:03}"
    (reading,) = authentication.read_results(text, POLICY)
    assert (reading.value, reading.suspicious) == (f"compauth={result} reason={reason:03}", result == "fail")
