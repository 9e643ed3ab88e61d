"""Trend Micro's headers, in every grammar that is known."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.grammars import POLICY, odd_case, scores, spaces
from worker.classify import trend
from worker.classify.reading import number


@given(st.data(), st.sampled_from(["Yes", "No"]), scores, scores, st.integers(0, 999999), st.integers(0, 99))
def test_trend_with_a_word(
    data: st.DataObject, word: str, score: str, threshold: str, category: int, kind: int
) -> None:
    said = data.draw(odd_case(word))
    written = f"{word} score={number(score)} threshold={number(threshold)}"
    for result in (
        f"{said}-{score}-{threshold}-{category}-{kind}",
        f"{said}-{score}-{threshold}-{category}",
        f"{said}-{category}-{score}-{threshold}",
    ):
        (reading,) = trend.read_result(data.draw(spaces) + result + data.draw(spaces), POLICY)
        assert (reading.value, reading.suspicious) == (written, word == "Yes")


@given(scores, scores, st.integers(0, 999999))
def test_trend_without_a_word(score: str, threshold: str, count: int) -> None:
    (reading,) = trend.read_result(f"{count}-{score}-{threshold}", POLICY)
    assert reading.suspicious == (float(score) >= float(threshold))
    assert reading.value == f"score={number(score)} threshold={number(threshold)}"
