"""Every grammar, as a property: what is written by it is read as meant; nothing raises, and nothing is repeated."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.classify import JunkPolicy, authentication, exchange, keywords, rspamd, spamassassin, trend
from worker.classify.policy import SPAM_CATEGORIES
from worker.classify.reading import LIMIT, Reader, number, plain

POLICY = JunkPolicy()
READERS: dict[str, Reader] = {
    **exchange.READERS,
    **trend.READERS,
    **spamassassin.READERS,
    **rspamd.READERS,
    **authentication.READERS,
}

spaces = st.sampled_from(["", " ", "\t", "\r\n ", "\r\n\t "])
scores = st.decimals(min_value=-9999, max_value=9999, places=3).map(str)


def odd_case(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text, text.lower(), text.upper(), text.swapcase()])


@st.composite
def fields_of_a_report(draw: st.DrawFn, *wanted: tuple[str, str]) -> str:
    """A report that holds the wanted fields, among others, in any order and dress."""
    others = st.sampled_from(
        [("CIP", "192.0.2.1"), ("CTRY", ""), ("SFS", "(1)(2)"), ("PTR", "SFV:SPM"), ("", ""), ("H", "x")]
    )
    pairs = draw(st.permutations([*wanted, *draw(st.lists(others, max_size=6))]))
    parts = [draw(odd_case(f"{key}:{draw(spaces)}{word}{draw(spaces)}")) + ";" + draw(spaces) for key, word in pairs]
    return "".join(parts)


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


@given(st.data(), st.sampled_from(["Yes", "No"]), st.sampled_from(["score", "hits"]), scores, scores)
def test_spamassassin_status(data: st.DataObject, word: str, name: str, score: str, required: str) -> None:
    status = f"{data.draw(odd_case(word))},{data.draw(spaces)} {name}={score} required={required}\r\n\ttests=A,B_YES"
    (reading,) = spamassassin.read_status(status, POLICY)
    assert reading.value == f"{word} score={number(score)} required={number(required)}"
    assert reading.suspicious == (word == "Yes")


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


@given(st.data(), st.sampled_from(["X-Spam-Flag", "X-Spam", "X-TM-AS-User-Blocked-Sender"]))
def test_flags(data: st.DataObject, header: str) -> None:
    (reading,) = READERS[header](data.draw(spaces) + data.draw(odd_case("Yes")) + data.draw(spaces), POLICY)
    assert reading.suspicious
    assert READERS[header](data.draw(odd_case("No")), POLICY) == []


@given(st.data(), st.sampled_from(["fail", "pass", "softpass", "none"]), st.integers(0, 999))
def test_composite_sender_checks(data: st.DataObject, result: str, reason: int) -> None:
    text = f"spf=pass;{data.draw(spaces)}{data.draw(odd_case(f'compauth={result}'))} reason={reason:03}"
    (reading,) = authentication.read_results(text, POLICY)
    assert (reading.value, reading.suspicious) == (f"compauth={result} reason={reason:03}", result == "fail")


@given(st.frozensets(st.text() | st.sampled_from(["$Junk", "$JUNK", "$junk", "$NotJunk", "$Phishing"])))
def test_keywords_of_any_kind(words: frozenset[str]) -> None:
    found = {reading.value for reading in keywords.read(words)}
    assert ("$Junk" in found) == bool(words & {"$Junk", "$JUNK", "$junk"})
    assert found <= {"$Junk", "$Phishing"}


SAFE_VALUE = re.compile(
    r"(SFV|CAT|SCL|BCL|dest):(-?[A-Z0-9]{1,16}|other)|unreadable|blocked-sender:Yes|Yes|No|True|False"
    r"|(?:(?:Yes|No|True|False) )?score=-?[0-9.e+-]{1,16} (?:threshold|required)=-?[0-9.e+-]{1,16}"
    r"|compauth=(?:fail|pass|softpass|none)(?: reason=[0-9]{3})?"
)
pieces = st.sampled_from(
    [
        "Yes",
        "No",
        "-",
        "--",
        "5.0",
        "10",
        ";",
        ":",
        "SFV",
        "SPM",
        "SCL",
        "9",
        "CAT",
        "BCL",
        "dest",
        "J",
        "default",
        "True",
        "[",
        "/",
        "]",
        "score=",
        "required=",
        "hits=",
        "compauth=",
        "fail",
        "reason=",
        "001",
        " ",
        "\r\n ",
        "\t",
        "\x00",
        "\x1b[2J",
        "ſ",
        "٥",
        "\u202e",
        "\udcff",
        ",",
        "(",
        ")",
        "e9",
        "nan",
        "inf",
        "1" * 400,
    ]
)
anything = st.text(max_size=200) | st.lists(pieces, max_size=30).map("".join)


@pytest.mark.parametrize("header", READERS)
@given(value=anything)
def test_nonsense_raises_nothing_and_is_never_repeated(header: str, value: str) -> None:
    for reading in READERS[header](value, POLICY):
        assert SAFE_VALUE.fullmatch(reading.value), reading.value
        assert len(reading.value) <= 64
        assert reading.reason.isascii()


@pytest.mark.parametrize("header", READERS)
@given(st.characters(min_codepoint=128))
def test_no_character_outside_ascii_helps_to_a_word(header: str, character: str) -> None:
    words = [
        "SFV:SPM;",
        "9",
        "BCL:9;",
        "dest:J;",
        "Yes-5.3-5.0-31-1",
        "10-9.0-1.0",
        "Yes",
        "default: True [9 / 1]",
        "compauth=fail",
    ]
    for word in words:
        for place in range(len(word)):
            if word[place].isalnum() and READERS[header](word[:place] + character + word[place + 1 :], POLICY):
                readings = READERS[header](word[:place] + character + word[place + 1 :], POLICY)
                without = READERS[header](word[:place] + "?" + word[place + 1 :], POLICY)
                assert readings == without


@given(st.text(), st.integers(0, 3))
def test_no_more_than_the_limit_is_read(text: str, more: int) -> None:
    assert len(plain(text * (LIMIT // max(1, len(text)) + more))) <= LIMIT
    assert plain(text).isascii()
