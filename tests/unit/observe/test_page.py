"""The status page: valid HTML with a sound structure, and the state in words."""

import re
from dataclasses import replace
from html import escape
from itertools import pairwise
from xml.etree.ElementTree import Element

import html5lib  # type: ignore[import-untyped]  # it comes without types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.observe import views
from worker.observe.page import render, style, style_hash
from worker.observe.phrases import headline
from worker.observe.view import ListedView, StatusView


def parsed(view: StatusView) -> Element:
    page: Element = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(render(view))
    return page


def text(element: Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def words(element: Element) -> str:
    """As `text`, of running text."""
    return " ".join("".join(element.itertext()).split())


@pytest.fixture(params=views.ALL)
def view(request: pytest.FixtureRequest) -> StatusView:
    return views.ALL[request.param]


def test_the_page_is_valid_and_begins_with_the_state(view: StatusView) -> None:
    page = parsed(view)
    assert page.get("lang") == "en-GB"
    main = page.find("body/main")
    assert main is not None
    first = main.find("section")
    assert first is not None
    assert headline(view).text in text(first)
    assert [words(item) for item in first.iter("li")] == [step.replace("`", "") for step in headline(view).advice]
    assert view.account in text(page)


def test_headings_go_down_one_step_at_a_time_and_name_their_sections(view: StatusView) -> None:
    page = parsed(view)
    levels = [int(element.tag[1]) for element in page.iter() if re.fullmatch(r"h[1-6]", str(element.tag))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    ids = [element.get("id") for element in page.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    named = [name for element in page.iter() if (name := element.get("aria-labelledby"))]
    assert set(named) <= set(ids)


def test_pictures_say_in_words_what_they_show(view: StatusView) -> None:
    for picture in parsed(view).iter("{http://www.w3.org/2000/svg}svg"):
        assert picture.get("role") == "img"
        assert text(next(iter(picture))) in text(parsed(view))


def test_nothing_is_run_and_nothing_is_fetched_from_elsewhere(view: StatusView) -> None:
    page = parsed(view)
    tags = {str(element.tag) for element in page.iter()}
    assert tags.isdisjoint({"script", "img", "iframe", "link", "form", "object"})
    attributes = {str(name) for element in page.iter() for name in element.attrib}
    assert not {name for name in attributes if name in {"style", "src"} or name.startswith("on")}
    assert {element.get("href") for element in page.iter("a")} == {"./"}
    assert "url(" not in style()
    (sheet,) = page.iter("style")
    assert sheet.text == style(), "or the Content-Security-Policy would not know it"
    assert style_hash().startswith("sha256-")


def test_the_gauge_has_one_place_for_each_of_the_accounts_attempts() -> None:
    page = parsed(views.COOLING)
    kinds = [group.get("class") for group in page.iter("{http://www.w3.org/2000/svg}g")]
    assert kinds == ["failed"] * 2 + ["ours"] * 6 + ["kept"] * 4
    assert "With the password as it is now: 3." in text(page)


def test_the_gauge_holds_whatever_the_numbers_are() -> None:
    login = replace(views.HALTED.login, failures=40, remaining=9)
    assert "12 failed, 0 are left for the worker, and 0 are kept for people" in render(
        replace(views.HALTED, login=login)
    )


def test_dead_letters_and_junk_are_listed_by_key_and_age() -> None:
    page = text(parsed(views.BACKLOG))
    assert f"90 s oversize {views.KEY}" in page
    assert f"3 days archive:OSError {views.KEY}-2" in page
    assert "The newest 5 of 312." in page
    assert "Handler archive Not called: it keeps failing, for 10 min." in page


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fresh", ["Nothing came to an outcome", "ends is not known. Set", "Nobody holds it.", "Last poll None yet."]),
        ("working", ["Expires in 60 days", "Held by this replica, 48 s left.", "12 s ago, good, 0 new.", "at most 5"]),
        ("backlog", ["Client secret Expires in 12 days, 5 Dec", "Sign-in Made 200 days ago", "used 3 days ago."]),
        ("not-built", ["Not called: it can't be started yet (OperationalError), and is tried again, for 10 min."]),
        ("working", ["Mailbox Not known yet."]),
        ("filling", ["Mailbox 3.31 GB of 4.00 GB, 82 % (an estimate", "23 days. As of 2 h ago", "delete_handled"]),
        ("full", ["Mailbox 52.4 MB of 52.4 MB, 100 % (by the server's quota)", "It is full", "Ask the senders for"]),
        ("standing-by", ["Held by two, 30 s left."]),
        ("cooling", ["Not before 23 Nov 14:14 UTC, in 9 min."]),
        ("halted", ["None, until a person or a new password", "66 min ago, failed. The last good one was 2 h ago."]),
    ],
)  # fmt: skip
def test_the_rest_is_said_in_words(name: str, words: list[str]) -> None:
    page = text(parsed(views.ALL[name]))
    assert [word for word in words if word not in page] == []


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1))
def test_whatever_a_word_holds_it_stays_text(word: str) -> None:
    view = replace(
        views.BACKLOG,
        replica=f"<b>{word}",
        dead_letters=(ListedView(key=views.KEY, since=views.NOW, reason=f"'\"><script>{word}"),),
    )
    page = render(view)
    assert "<script" not in page
    assert "<b>" not in page
    assert escape(word, quote=False) in page.replace("&#34;", '"').replace("&#39;", "'")
