"""Text composed: as the standard library does it, in time linear in the length."""

import time
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from worker.handling.routing.conditions import any_pattern
from worker.message.mime.compose import composed
from worker.message.mime.limits import Limits
from worker.message.mime.names import safe_name
from worker.message.mime.whole import parsed
from worker.settings.routes import Pattern

MARKS = "a" + "\u0301\u0327" * 120_000
"""240 kB whose marks are in the wrong order."""


@given(st.text() | st.text(alphabet="ae\u0301\u0327\u0308\u1100\u1161", max_size=30))
def test_it_is_the_composed_form(text: str) -> None:
    assert composed(text) == unicodedata.normalize("NFC", text)


@given(st.text(alphabet="ae\u0301\u0327\u0344", max_size=300))
def test_of_many_marks_none_is_lost(text: str) -> None:
    assert sorted(unicodedata.normalize("NFD", composed(text)).replace("\u034f", "")) == sorted(
        unicodedata.normalize("NFD", text)
    )


def test_endless_marks_take_no_time() -> None:
    started = time.process_time()
    assert len(composed(MARKS)) > 200_000
    assert any_pattern([Pattern(glob="*")])(MARKS)
    assert safe_name(f"{MARKS}.pdf").endswith(".pdf")
    head = f"Subject: {MARKS}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    assert parsed((head + MARKS).encode(), Limits()).text_plain == [composed(MARKS)]
    assert time.process_time() - started < 5
