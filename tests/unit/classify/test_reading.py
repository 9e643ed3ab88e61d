"""What holds for every reader: nothing makes it raise, and nothing of the header is repeated."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.classify.grammars import POLICY, READERS, odd_case, spaces
from worker.classify.reading import LIMIT, plain


@given(st.data(), st.sampled_from(["X-Spam-Flag", "X-Spam", "X-TM-AS-User-Blocked-Sender"]))
def test_flags(data: st.DataObject, header: str) -> None:
    (reading,) = READERS[header](data.draw(spaces) + data.draw(odd_case("Yes")) + data.draw(spaces), POLICY)
    assert reading.suspicious
    assert READERS[header](data.draw(odd_case("No")), POLICY) == []


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
