"""The password policy, sentence by sentence, and the warnings of a password's end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.login.password_policy import DAY, Age, PolicyName, age_of, is_previous, policy_named

ADDRESS = "pathology.results@nhs.net"


def faults(password: str, policy: PolicyName = "nhsmail", address: str = ADDRESS) -> list[str]:
    refusal = policy_named(policy).refusal(password, address)
    return [] if refusal is None else list(refusal.faults)


@pytest.mark.parametrize(
    "password",
    [
        "Bright-Harbour-92",
        "Abcdef12",  # eight characters, three kinds without a symbol
        "abcdef1!",
        "ABCDEF1!",
        "Abcdefg!",
        "Abcdefg£",  # a symbol is any printable character that is neither letter nor digit
        "Abcdefg”",
        "Éclairé1x",
        "pathology-Results9",  # not the user name as it is
    ],
)
def test_fits(password: str) -> None:
    assert faults(password) == []


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("Abcde1!", "shorter than 8"),
        ("abcdefg1", "fewer than three"),
        ("ABCDEFG1", "fewer than three"),
        ("abcdefg!", "fewer than three"),
        ("1234567!", "fewer than three"),
        ("Abcdefgh", "fewer than three"),
        ("\u4e2d\u6587\u4e2d\u6587\u4e2d\u6587a1", "fewer than three"),  # letters without case are no kind of their own
        ("Abcdefg1\x01", None),
        ("Bright Harbour-92", "space or a comma"),
        ("Bright,Harbour-92", "space or a comma"),
        ("Bright\u00a0Harbour-92", "space or a comma"),
        ("Xpathology.results1", "user name"),
        ("xPATHOLOGY.Results1", "user name"),
        ("", "empty"),
        ("Bright-Harbour\n92", "line break"),
        ("Bright-Harbour\r92", "line break"),
        ("Bright-Harbour\x0092", "line break"),
    ],
)
def test_breaks(password: str, fault: str | None) -> None:
    found = faults(password)
    if fault is None:
        assert found == []
    else:
        assert any(fault in one for one in found)


def test_control_characters_are_no_symbols() -> None:
    assert any("three" in one for one in faults("abcdefg1\x01"))


def test_every_fault_is_named_at_once() -> None:
    assert len(faults("ab c", address="ab c@nhs.net")) == 4


@pytest.mark.parametrize(("name", "found"), [("abc", 1), ("ab", 0), ("a", 0), ("ABC", 1)])
def test_short_user_names_arent_looked_for(name: str, found: int) -> None:
    assert len(faults("Xxabcxx1!", address=f"{name}@nhs.net")) == found


@pytest.mark.parametrize(("length", "found"), [(19, 1), (20, 0)])
def test_an_application_account_has_twenty(length: int, found: int) -> None:
    assert len(faults("x" * length, "application-account")) == found


def test_off_is_off_but_for_what_cant_be_sent() -> None:
    assert faults("a b,", "off") == []
    assert faults("", "off")
    assert faults("a\n", "off")


@pytest.mark.parametrize(
    ("accepted", "previous"),
    [
        ([], False),
        (["me"], False),
        (["a", "me"], True),
        (["a", "b", "c", "d", "me"], True),
        (["a", "b", "c", "d", "e", "me"], False),
        (["me", "a", "me"], False),
    ],
)
def test_the_four_before_the_last(accepted: list[str], *, previous: bool) -> None:
    assert is_previous("me", accepted) is previous


def test_days_left_are_whole_days() -> None:
    assert age_of(0.0, 90 * DAY, DAY / 2) == Age(0.0, 90 * DAY, 89)
    assert age_of(0.0, 90 * DAY, 0.0).days_left == 90
    assert age_of(0.0, 90 * DAY, 91 * DAY).days_left == -1


@given(st.text(max_size=40), st.text(max_size=20))
def test_no_password_breaks_the_check_or_is_quoted(password: str, name: str) -> None:
    fixed = set(faults("", address="x@y")) | {
        "it is shorter than 8 characters",
        "it contains the user name",
        "it has fewer than three of the four kinds: upper case, lower case, digits, symbols",
        "it contains a space or a comma",
        "it contains a line break or a NUL, which can't be sent",
    }
    assert set(faults(password, address=f"{name}@nhs.net")) <= fixed
