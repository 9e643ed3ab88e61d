"""Keys are found by their beginnings."""

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.journal import with_tables
from tests.unit.journal.world import new
from worker.commands.key_prefix import SHORTEST, records_of
from worker.journal.database import Database
from worker.journal.key_search import short_keys
from worker.journal.messages import Messages

A, B, C = "abcd" + "e" * 22, "abcf" + "e" * 22, "bbbb" + "e" * 22


def test_keys_are_found_by_beginning_and_number_in_order_and_counted(messages: Messages) -> None:
    messages.add([new(B, 1), new(A, 2), new(A, 3), new(C, 4)], 1.0)
    assert messages.keys_like("abc", most=5) == ([A, f"{A}-2", B], 3)
    assert messages.keys_like("abc", most=2) == ([A, f"{A}-2"], 3)
    assert messages.keys_like("abc", "-2", most=2) == ([f"{A}-2"], 1)
    assert messages.keys_like("abce", most=5) == ([], 0)


def test_what_like_takes_for_a_wildcard_is_a_character(messages: Messages) -> None:
    messages.add([new(A, 1), new(B, 2)], 1.0)
    assert messages.keys_like("ab%", most=5) == ([], 0)
    assert messages.keys_like("ab__", most=5) == ([], 0)
    assert messages.keys_like("ab", "%e", most=5) == ([], 0)


def test_a_short_key_is_as_long_as_it_must_be(database: Database, messages: Messages) -> None:
    messages.add([new(A, 1), new(B, 2), new(C, 3)], 1.0)
    assert short_keys(database, [A, C], shortest=3) == {A: "abcd", C: "bbb"}
    assert short_keys(database, [A, C], shortest=8) == {A: A[:8], C: C[:8]}
    assert short_keys(database, [], shortest=8) == {}


def test_look_alikes_keep_their_numbers_and_the_first_is_whole(database: Database, messages: Messages) -> None:
    messages.add([new(A, 1), new(A, 2), new(B, 3)], 1.0)
    assert short_keys(database, [A, f"{A}-2"], shortest=3) == {A: A, f"{A}-2": "abcd-2"}


def test_keys_that_aren_t_in_the_journal_are_told_apart_as_well(database: Database) -> None:
    assert short_keys(database, [A, B, f"{C}-2"], shortest=3) == {A: "abcd", B: "abcf", f"{C}-2": "bbb-2"}


@given(st.lists(st.text("ab2", min_size=26, max_size=26), min_size=1, max_size=12), st.data())
def test_a_short_key_names_its_message(stems: list[str], data: st.DataObject) -> None:
    database = with_tables(Database("sqlite://"))
    try:
        messages = Messages(database)
        keys = [row.key for row in messages.add([new(stem, uid) for uid, stem in enumerate(stems, start=1)], 1.0)]
        some = data.draw(st.lists(st.sampled_from(keys), unique=True))
        short = short_keys(database, some, shortest=SHORTEST)
        for key in some:
            assert [record.key for record in records_of(messages, [short[key]])] == [key]
    finally:
        database.close()
