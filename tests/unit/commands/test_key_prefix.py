"""Keys as people type them."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.journal import with_tables
from tests.unit.journal.world import new
from worker.commands.exits import ExitCode, Failure
from worker.commands.key_prefix import NAMED, SHORTEST, records_of
from worker.journal.database import Database
from worker.journal.messages import Messages

A, B, C = "abcd" + "e" * 22, "abcf" + "e" * 22, "k2m7" + "e" * 22
KEY = st.text(string.ascii_lowercase[:2] + "2", min_size=26, max_size=26)


@pytest.fixture
def messages() -> Messages:
    return Messages(with_tables(Database("sqlite://")))


def keys_of(messages: Messages, *typed: str) -> list[str]:
    return [record.key for record in records_of(messages, typed)]


def refused(messages: Messages, *typed: str) -> str:
    with pytest.raises(Failure) as caught:
        records_of(messages, typed)
    assert caught.value.code is ExitCode.USAGE
    assert "Nothing was done." in str(caught.value)
    return str(caught.value)


def test_a_beginning_in_any_case_names_the_one_message_that_has_it(messages: Messages) -> None:
    messages.add([new(A, 1), new(B, 2), new(C, 3)], 1.0)
    assert keys_of(messages, "abcd") == [A]
    assert keys_of(messages, "ABCF", "K2m7Ee", " abcd ") == [B, C, A]
    assert keys_of(messages, A.upper()) == [A]
    assert keys_of(messages, C, "k2m7", C.upper()) == [C]
    assert keys_of(messages, "abcd*") == [A], "as a list shows it for a known sender"


def test_a_whole_key_goes_before_the_look_alikes_that_begin_with_it(messages: Messages) -> None:
    messages.add([new(A, 1), new(A, 2), new(A, 3)], 1.0)
    assert keys_of(messages, A, f"{A}-3") == [A, f"{A}-3"]
    assert keys_of(messages, "abcd-2", "ABCDE-3") == [f"{A}-2", f"{A}-3"]
    assert refused(messages, "abcde") == (
        f"3 messages have a key that begins with abcde: {A}, {A}-2, {A}-3. Nothing was done. Type more of the key."
    )
    assert "No message has the key abcd-4." in refused(messages, "abcd-4")


def test_of_many_candidates_the_first_are_named_and_the_others_counted(messages: Messages) -> None:
    messages.add([new(f"abcd{letter * 22}", uid) for uid, letter in enumerate("abcdefg", start=1)], 1.0)
    said = refused(messages, "abcd")
    assert said.startswith(f"7 messages have a key that begins with abcd: abcd{'a' * 22}, ")
    assert said.count("abcd") == NAMED + 1
    assert f" and {7 - NAMED} more." in said


def test_an_unknown_key_and_one_that_is_too_short_are_all_refused_at_once(messages: Messages) -> None:
    messages.add([new(A, 1), new(B, 2)], 1.0)
    said = refused(messages, "abcd", "zzzz", "ABC", "not a key", "", "ab%d")
    assert "No message has the key zzzz, not a key, ab%d." in said
    assert f"Too short for a key: 'ABC', ''. Type at least {SHORTEST} characters." in said
    assert "`nhsmail-worker failed list`" in said


@given(st.lists(KEY, min_size=1, max_size=12, unique=True), st.data())
def test_what_is_typed_names_the_only_message_whose_key_begins_so_or_nothing_is_done(
    keys: list[str], data: st.DataObject
) -> None:
    database = with_tables(Database("sqlite://"))
    try:
        messages = Messages(database)
        messages.add([new(key, uid) for uid, key in enumerate(keys, start=1)], 1.0)
        key = data.draw(st.sampled_from(keys))
        typed = key[: data.draw(st.integers(SHORTEST, 26))]
        having = [one for one in keys if one.startswith(typed)]
        if len(having) == 1:
            assert keys_of(messages, typed.upper()) == having
        else:
            assert f"{len(having)} messages" in refused(messages, typed)
    finally:
        database.close()
