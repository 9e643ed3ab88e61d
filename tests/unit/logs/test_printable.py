"""What doesn't print is escaped, and the JSON stays the same JSON."""

import unicodedata

import orjson
from hypothesis import given
from hypothesis import strategies as st

from worker.logs.printable import printable, printable_json

HOSTILE = '\x1b\x9b\x7f\u202e\u2066\u200b\ufeff\n\\"'
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(HOSTILE))
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@given(ANYTHING)
def test_json_is_the_same_and_prints(text: str) -> None:
    escaped = printable_json(orjson.dumps({"words": text, text: [text]}))
    assert orjson.loads(escaped) == {"words": text, text: [text]}
    assert not {unicodedata.category(character) for character in escaped.decode()} & UNSEEN
    assert printable_json(escaped) == escaped


@given(ANYTHING)
def test_text_prints_on_one_line(text: str) -> None:
    assert not {unicodedata.category(character) for character in printable(text)} & UNSEEN


def test_what_prints_stays_readable() -> None:
    assert printable("Jürgen sagt 'ja' — 日本語 🙂") == "Jürgen sagt 'ja' — 日本語 🙂"
    assert printable("a\x1b[2J\u202eb\n\udcff\U000e0041") == "a\\u001b[2J\\u202eb\\n\\udcff\\udb40\\udc41"
    indented = orjson.dumps({"a": ["ü", "\u202e"]}, option=orjson.OPT_INDENT_2)
    assert printable_json(indented).decode() == '{\n  "a": [\n    "ü",\n    "\\u202e"\n  ]\n}'
