"""Exchange's headers, as a property: what is written by the grammar is read as meant."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.grammars import POLICY, fields_of_a_report, spaces
from worker.classify import JunkPolicy, exchange
from worker.classify.policy import SPAM_CATEGORIES


@given(st.data(), st.sampled_from(["SPM", "SKS", "SKB", "BLK", "NSPM", "SKN", "SKA", "SFE", "SKQ"]))
def test_filter_verdicts(data: st.DataObject, word: str) -> None:
    (reading,) = exchange.read_report(data.draw(fields_of_a_report(("SFV", word))), POLICY)
    assert reading.value == f"SFV:{word}"
    assert reading.suspicious == (word in {"SPM", "SKS", "SKB", "BLK"})


@given(
    st.data(),
    st.sampled_from(sorted(SPAM_CATEGORIES | {"NONE"})),
    st.frozensets(st.sampled_from(sorted(SPAM_CATEGORIES))),
)
def test_categories(data: st.DataObject, word: str, categories: frozenset[str]) -> None:
    policy = JunkPolicy(categories=categories)
    (reading,) = exchange.read_report(data.draw(fields_of_a_report(("CAT", word))), policy)
    assert reading.value == f"CAT:{word}"
    assert reading.suspicious == (word in categories)


@given(st.data(), st.integers(-1, 9), st.integers(-1, 9))
def test_spam_levels(data: st.DataObject, level: int, threshold: int) -> None:
    policy = JunkPolicy(scl=threshold)
    in_report = exchange.read_report(data.draw(fields_of_a_report(("SCL", str(level)))), policy)
    alone = exchange.read_confidence(data.draw(spaces) + str(level) + data.draw(spaces), policy)
    assert in_report == alone
    assert (alone[0].value, alone[0].suspicious) == (f"SCL:{level}", level >= threshold)


@given(st.data(), st.integers(0, 9), st.integers(0, 9))
def test_bulk_levels(data: st.DataObject, level: int, threshold: int) -> None:
    (reading,) = exchange.read_bulk(data.draw(fields_of_a_report(("BCL", str(level)))), JunkPolicy(bcl=threshold))
    assert (reading.value, reading.suspicious) == (f"BCL:{level}", level >= threshold)


@given(st.data(), st.sampled_from("JIC"))
def test_deliveries(data: st.DataObject, folder: str) -> None:
    (reading,) = exchange.read_delivery(data.draw(fields_of_a_report(("dest", folder), ("wl", "1"))), POLICY)
    assert (reading.value, reading.suspicious) == (f"dest:{folder}", folder == "J")


@given(st.data())
def test_every_field_of_a_report_is_read(data: st.DataObject) -> None:
    report = data.draw(fields_of_a_report(("SFV", "SPM"), ("CAT", "PHSH"), ("SCL", "9"), ("SFV", "NSPM")))
    values = {reading.value for reading in exchange.read_report(report, POLICY)}
    assert values == {"SFV:SPM", "CAT:PHSH", "SCL:9", "SFV:NSPM"}
