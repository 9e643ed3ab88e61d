"""Which texts stand in the source code."""

import enum
import sys
from types import FrameType, ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.message.literals import LONGEST_WORD, as_slug, calling_frame, is_fixed_member, is_literal, place_of


def here() -> FrameType:
    return calling_frame()


def test_a_text_of_the_calling_code_is_a_literal() -> None:
    assert is_literal("no report number", here())
    kept = "kept in a variable first"
    assert is_literal(kept, here())
    either = "one" if kept else "two"
    assert is_literal(either, here())


def test_a_text_that_was_made_is_none_though_it_equals_one() -> None:
    made = b"positive result".decode()
    assert made == "positive result"
    assert not is_literal(made, here())
    assert not is_literal(f"{made}", here())


def test_a_text_of_other_code_is_none() -> None:
    def other() -> FrameType:
        return calling_frame(0)

    assert not is_literal("only in this function", other())


def test_a_kind_of_text_is_none() -> None:
    class Subject(str):
        __slots__ = ()

    assert not is_literal(Subject("some text"), here())


def test_the_names_of_arguments_are_literals_where_they_stand_in_the_call() -> None:
    def call(**values: object) -> bool:
        frame = calling_frame()
        return all(is_literal(name, frame) for name in values)

    assert call(pages=3, size_of_all=4)
    assert not call(**{b"pages_of_it".decode(): 3})


def test_the_place_is_module_and_line() -> None:
    line = sys._getframe().f_lineno + 1
    assert place_of(here()) == f"{__name__}:{line}"


class Ward(enum.Enum):
    """In its module under its own name."""

    EAST = "east"
    FIRST = 1


def test_a_member_is_fixed_if_its_class_stands_in_its_module() -> None:
    made = enum.Enum("Made", {"SUBJECT": "a subject"})  # type: ignore[misc]  # made while the program runs, as content would be
    assert is_fixed_member(Ward.EAST)
    assert not is_fixed_member(Ward.FIRST)
    assert not is_fixed_member(made.SUBJECT)
    assert not is_fixed_member("east")


def test_a_member_of_a_module_that_is_gone_is_not_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, __name__, ModuleType(__name__))
    assert not is_fixed_member(Ward.EAST)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("the subject has no report number", "the-subject-has-no-report-number"),
        ("The folder isn't mounted!", "the-folder-isnt-mounted"),
        ("claim_check: none (65)", "claim_check-none-65"),
        ("…", ""),
        ("", ""),
        ("word " * 40, "-".join(["word"] * 12)),
        ("w" * 61, ""),
        ("short " + "w" * 61, "short"),
    ],
)
def test_a_text_as_one_word(text: str, slug: str) -> None:
    assert as_slug(text) == slug


@given(st.text(max_size=300))
def test_a_slug_is_always_short_and_plain(text: str) -> None:
    slug = as_slug(text)
    assert len(slug) <= LONGEST_WORD
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    assert as_slug(slug) == slug
