"""Which names are one folder's, and how a name is shown."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.mailbox.folder_names import LONGEST_SHOWN, Namespaces, is_inbox, named_junk, nearest, printable, same
from worker.mailbox.folders import JUNK_NAMES, FolderInfo

text = st.text(min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("name", "other", "is_same", "is_caseless"),
    [
        ("Results", "Results", True, True),
        ("Results", "results", False, True),
        ("inbox", "INBOX", True, True),
        ("Inbox.Junk", "INBOX.Junk", True, True),
        ("Inbox.Junk", "INBOX.junk", False, True),
        ("Inbox/Junk", "INBOX.Junk", False, False),
        ("Inboxes", "INBOXes", False, True),
        ("Résumé", "Re\N{COMBINING ACUTE ACCENT}sume\N{COMBINING ACUTE ACCENT}", True, True),
        ("RÉSUMÉ", "re\N{COMBINING ACUTE ACCENT}sume\N{COMBINING ACUTE ACCENT}", False, True),
        ("Straße", "STRASSE", False, True),
    ],
)
def test_same(name: str, other: str, is_same: bool, is_caseless: bool) -> None:
    assert (same(name, other), same(name, other, caseless=True)) == (is_same, is_caseless)


@given(text, text)
def test_what_looks_alike_is_the_same_and_what_is_the_same_is_so_without_case(name: str, other: str) -> None:
    assert same(name, unicodedata.normalize("NFD", name))
    assert same(name, unicodedata.normalize("NFC", name))
    assert same(name, other) == same(other, name)
    assert same(name, other, caseless=True) or not same(name, other)


@pytest.mark.parametrize("name", JUNK_NAMES)
@pytest.mark.parametrize("prefix", ["", "INBOX.", "INBOX/", "Inbox\\", "inbox|"])
def test_junk_by_its_name_alone(name: str, prefix: str) -> None:
    assert named_junk(prefix + name.swapcase(), "auto")
    assert not named_junk(f"Mail.{name}", "auto")
    assert named_junk(prefix + "Mist", "Mist")
    assert not named_junk(prefix + name, "Mist")
    assert not named_junk(prefix + "mist", "Mist")


@pytest.mark.parametrize(
    ("names", "delimiter", "home"),
    [
        (["INBOX", "INBOX.A", "inbox.B"], ".", "INBOX."),
        (["INBOX", "INBOX/A"], "/", "INBOX/"),
        (["INBOX", "INBOX.A", "B"], ".", ""),
        (["INBOX", "INBOX.A"], "/", ""),
        (["INBOX"], ".", ""),
        (["INBOX", "INBOXA"], None, ""),
        ([], "/", ""),
    ],
)
def test_where_folders_lie_as_the_list_shows(names: list[str], delimiter: str | None, home: str) -> None:
    assert Namespaces.seen([FolderInfo(name, frozenset(), delimiter) for name in names]).home == home


@pytest.mark.parametrize(
    ("name", "is_it"), [("INBOX", True), ("iNbOx", True), ("\u0131nbox", False), ("INBOX/A", False)]
)
def test_the_inbox_is_spelled_in_any_letters_of_ascii(name: str, *, is_it: bool) -> None:
    assert is_inbox(name) is is_it


def test_those_most_like_the_wanted_one_come_first() -> None:
    assert nearest("lab result", ["Archive", "Sent", "INBOX", "Lab Results", "Results"])[:2] == [
        "Lab Results",
        "Results",
    ]


@given(st.text(max_size=300))
def test_a_name_is_shown_without_anything_that_a_terminal_obeys(name: str) -> None:
    assert printable(name).isprintable()
    assert len(printable(name)) <= LONGEST_SHOWN
