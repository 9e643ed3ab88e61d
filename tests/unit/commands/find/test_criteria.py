"""What is looked for, compared with headers, and what the server is asked for."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.commands.find.criteria import ALWAYS, Criteria, Window, bare_id
from worker.mailbox.message_searcher import Terms, can_be_searched
from worker.message.mime.headers import Headers


def headers(**fields: str) -> Headers:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return Headers.from_bytes(lines.encode() + b"\r\n")


LETTER = headers(
    From='"Müller, Dr." <H.Mueller@gp.example.org>',
    Subject="=?utf-8?q?Bef=C3=BCnde?= of\r\n 5 January",
    Message_ID="<A.1@gp.example.org>",
)


@pytest.mark.parametrize(
    "wanted",
    [
        Criteria(sender="müller"),
        Criteria(sender="MU\u0308LLER"),  # decomposed
        Criteria(sender="h.mueller@GP.example.org"),
        Criteria(sender="Müller, Dr. <h.mueller@gp.example.org>"),
        Criteria(subject="befünde of 5"),
        Criteria(subject="of   5"),
        Criteria(message_id=" <a.1@gp.example.org> "),
        Criteria(message_id="A.1@gp"),
        Criteria(either="january"),
        Criteria(either="müller"),
        Criteria(sender="müller", subject="january", message_id="a.1@"),
        Criteria(window=Window(1.0, 2.0)),
    ],
)
def test_a_part_in_any_case_and_form_matches(wanted: Criteria) -> None:
    assert wanted.matches(LETTER)


@pytest.mark.parametrize(
    "wanted",
    [
        Criteria(sender="january"),
        Criteria(subject="müller"),
        Criteria(either="muller"),
        Criteria(message_id="b.1@gp"),
        Criteria(sender="müller", subject="february"),
    ],
)
def test_all_that_is_given_must_hold(wanted: Criteria) -> None:
    assert not wanted.matches(LETTER)


def test_who_sent_it_in_the_name_of_another_counts_only_without_a_from() -> None:
    wanted = Criteria(sender="office@nhs.net")
    assert wanted.matches(headers(Sender="office@nhs.net"))
    assert not wanted.matches(headers(From="ward@nhs.net", Sender="office@nhs.net"))


def test_ascii_is_asked_for_as_it_is_and_of_another_text_its_ascii_parts() -> None:
    assert Criteria(sender="Dr  Y", subject="5").terms() == Terms(sender=("Dr Y",), subject=("5",))
    assert Criteria(either="Befund für Müller").terms() == Terms(either=("Befund f", "r M", "ller"))
    assert Criteria(message_id="<1@x>").terms() == Terms(message_id="1@x")
    assert not Criteria(subject="für", message_id="ü").terms().anything


def test_within_days_a_text_that_is_not_ascii_is_not_asked_for_at_all() -> None:
    at = datetime(2026, 1, 5, 10, 5, tzinfo=UTC).timestamp()
    terms = Criteria(subject="Befund für", sender="Dr", window=Window(at, at + 60)).terms()
    assert terms == Terms(sender=("Dr",), since=date(2026, 1, 4), before=date(2026, 1, 7))
    noon = Window(at + 7_200, at + 10_800)
    assert (noon.first_day, noon.day_after) == (date(2026, 1, 5), date(2026, 1, 7))


def test_the_names_alone_are_for_the_trail() -> None:
    wanted = Criteria("t", "f", "s", "m", "k", Window(1.0, 2.0))
    assert wanted.names == "text+from+subject+message-id+key+since+until"
    assert Criteria().names == ""


@pytest.mark.parametrize(
    ("sender", "address"),
    [("y@gp.example.org", True), ("Y", False), ("Y <y@gp.example.org>", False), ("@gp.example.org", False)],
)
def test_only_a_whole_address_has_a_hash(sender: str, address: bool) -> None:
    assert (Criteria(sender=sender).address == sender) is address


def test_bare_ids() -> None:
    assert [bare_id(text) for text in ("<a@b>", " a@b ", "<a@b", "")] == ["a@b", "a@b", "a@b", ""]


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.text(max_size=20), st.text(max_size=20))
def test_whatever_is_given_can_be_asked_for(since: float, until: float, sender: str, subject: str) -> None:
    wanted = Criteria(sender=sender, subject=subject, message_id=subject, window=Window(since, until))
    terms = wanted.terms()
    for text in (*terms.sender, *terms.subject, *([terms.message_id] if terms.message_id else [])):
        assert can_be_searched(text)
    assert all(line.isascii() and line.isprintable() for line in terms.criteria())
    wanted.matches(LETTER)


@given(st.integers(200_000, 4_000_000_000), st.integers(-12, 14))
def test_the_days_asked_for_hold_the_time_in_every_zone(at: int, zone: int) -> None:
    window = Window(float(at), at + 1.0)
    day = datetime.fromtimestamp(at + zone * 3600, UTC).date()
    first, after = window.first_day, window.day_after
    assert first is not None
    assert after is not None
    assert first <= day < after


def test_windows() -> None:
    assert Window().is_open
    assert Window().holds(0.0)
    assert (Window().first_day, Window().day_after) == (None, None)
    both = Window(since=5.0).within(Window(until=9.0))
    assert both == Window(5.0, 9.0)
    assert [both.holds(at) for at in (4.9, 5.0, 8.9, 9.0)] == [False, True, True, False]
    assert Criteria(window=Window(until=9.0)).received_within(Window(5.0, ALWAYS)).window == both
