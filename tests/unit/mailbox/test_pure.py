"""Sets of UIDs, and which folder is which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mailbox import uid_sets
from worker.mailbox.folders import (
    FolderInfo,
    Layout,
    NoJunkFolder,
    NoSuchFolder,
    find_junk,
    missing,
    require,
)

UIDS = st.sets(st.integers(1, 2**32 - 1) | st.integers(1, 60))


@given(UIDS)
def test_a_set_written_and_read_is_the_same_set(wanted: set[int]) -> None:
    if wanted:
        assert uid_sets.expand(uid_sets.compress(wanted)) == sorted(wanted)


@given(UIDS, st.integers(1, 50))
def test_chunks_are_everything_once_in_order(wanted: set[int], size: int) -> None:
    chunks = list(uid_sets.chunks(wanted, size))
    assert [uid for chunk in chunks for uid in chunk] == sorted(wanted)
    assert all(0 < len(chunk) <= size for chunk in chunks)


def test_sets_as_the_protocol_writes_them() -> None:
    assert uid_sets.compress([7, 1, 3, 2]) == "1:3,7"
    assert uid_sets.compress([]) == ""
    assert uid_sets.compress([5, 5, 6]) == "5:6"
    assert uid_sets.expand("3:1,7") == [3, 2, 1, 7]


@pytest.mark.parametrize("text", ["", "a", "1,", "1:", ":1", "1:2:3", "1:4294967295", "*"])
def test_what_is_no_set(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the words are Python's own
        uid_sets.expand(text)


def info(*names: str, **flagged: str) -> list[FolderInfo]:
    return [FolderInfo(name, frozenset({flagged[name]} if name in flagged else ())) for name in (*names, *flagged)]


def test_the_junk_folder_by_attribute_then_name_then_setting() -> None:
    assert find_junk(info("INBOX", "Junk", Mist="\\junk"), "auto") == "Mist"
    assert find_junk(info("INBOX", "junk e-mail", "Spam"), "auto") == "junk e-mail"
    assert find_junk(info("INBOX", "Junk", "Elsewhere"), "Elsewhere") == "Elsewhere"
    with pytest.raises(NoJunkFolder, match="name it"):
        find_junk(info("INBOX"), "auto")
    with pytest.raises(NoJunkFolder, match="Nowhere"):
        find_junk(info("INBOX", "Junk"), "Nowhere")
    with pytest.raises(NoJunkFolder):
        find_junk(info("INBOX", Junk="\\noselect"), "auto")


def test_missing_folders_are_named_once() -> None:
    assert missing(info("Processed"), ["inbox", "Processed", "Failed", "Failed"]) == ["Failed"]
    require(info("INBOX", "Results"), ["INBOX", "Results"])
    with pytest.raises(NoSuchFolder, match="'Results'"):
        require(info("INBOX"), ["INBOX", "Results"])


def test_each_folder_is_watched_once() -> None:
    assert Layout(("INBOX", "Junk"), "Junk").watched == ["INBOX", "Junk"]
