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
from worker.logs.typed import VARIABLE
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
    assert {element.get("href") for element in page.iter("a")} == {"./?refresh=off"}
    assert not [element for element in page.iter("meta") if element.get("http-equiv")]
    assert "url(" not in style()
    (sheet,) = page.iter("style")
    assert sheet.text == style(), "or the Content-Security-Policy would not know it"
    assert style_hash().startswith("sha256-")


def test_the_gauge_has_one_place_for_each_of_the_accounts_attempts() -> None:
    page = parsed(views.COOLING)
    kinds = [group.get("class") for group in page.iter("{http://www.w3.org/2000/svg}g")]
    assert kinds == ["failed"] * 2 + ["ours"] * 6 + ["kept"] * 4
    assert "With the present password 3 of these may be used." in text(page)


def test_the_gauge_holds_whatever_the_numbers_are() -> None:
    login = replace(views.HALTED.login, failures=40, remaining=9)
    assert "12 failed, 0 left for the worker, 0 kept for people." in render(replace(views.HALTED, login=login))


def test_dead_letters_and_junk_are_listed_by_key_and_age() -> None:
    page = text(parsed(views.BACKLOG))
    assert f"oversize 90 s ago {views.KEY}" in page
    assert f"archive:OSError 3 days ago {views.KEY}-2" in page
    assert f"Keyword 2 h ago {views.KEY}-2" in page
    assert (
        "The newest 5 of 312. List them: nhsmail-worker junk list . Look at one: nhsmail-worker junk show KEY ." in page
    )
    assert "Handler archive Not called for 10 min: it keeps failing. The worker tries it again; its mail waits." in page


def test_commands_are_named_as_they_are_typed_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "nhsmail-worker demo")
    page = text(parsed(views.FORGOTTEN)) + text(parsed(views.BACKLOG))
    commands = re.findall(r"nhsmail-worker (\w+ \w+)", page)
    assert {command.split()[0] for command in commands} == {"demo"}
    assert {"demo resume", "demo failed", "demo junk"} <= set(commands)


def test_the_last_day_and_the_last_month_are_drawn_and_told() -> None:
    page = parsed(views.WORKING)
    day, month = _charts(page)
    assert day == "582 handled, 36 junk, 1 dead letter. The most in one hour: 52, from 22 Nov 21:05 UTC."
    assert month == "11,882 handled, 825 junk, 6 dead letters. The most in one day: 888, on 6 Nov."
    said = text(page)
    assert "Counted since 27 Oct." in said
    assert "Day (UTC) Handled Junk Dead letters 23 Nov 317 19 1 22 Nov 244 8 0" in said
    assert [len(list(table.iter("tr"))) - 1 for table in page.iter("table")][:2] == [24, 30]


def _charts(page: Element) -> list[str]:
    titles = page.iter("{http://www.w3.org/2000/svg}title")
    return [text(title) for title in titles if title.get("id") in ("day-text", "month-text")]


def test_figures_that_are_whole_have_no_beginning_to_tell() -> None:
    assert "Counted since" not in render(replace(views.WORKING, counted_since=views.ago(40 * 86_400)))
    assert "Counted since" not in render(replace(views.WORKING, counted_since=None))


def test_routes_and_handlers_are_told_with_the_slowest() -> None:
    page = text(parsed(views.WORKING))
    assert "Since the worker started, 24 h ago. Route Done Failed To retry pathology 512 1 4" in page
    assert "Handler Calls Failed Median Slowest archive 612 1 34 ms 12 s" in page
    assert "quarantine 0 0 – –" in page
    assert "The slowest call: archive, 12 s, 5 h ago." in page
    assert "No message was handed over yet." in text(parsed(views.FRESH))


def test_labels_do_not_run_into_their_values(view: StatusView) -> None:
    """Some readers, and whoever copies the page, see its text alone."""
    for term in parsed(view).iter("dt"):
        assert (term.tail or "").isspace()
    for cell in parsed(view).iter("th"):
        assert (cell.tail or " ").isspace()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "fresh",
            [
                "No message was handled, went to junk",
                "ends is not known. Set",
                "No process holds it.",
                "Last poll None yet.",
            ],
        ),
        (
            "working",
            [
                "Expires in 60 days",
                "Held by this replica, 48 s left.",
                "12 s ago, good, 0 new messages.",
                "In 48 s at the latest.",
            ],
        ),
        ("backlog", ["Client secret Expires in 12 days, 5 Dec", "Sign-in Made 200 days ago", "used 3 days ago."]),
        ("not-built", ["Not called for 10 min: it can't be started yet (OperationalError). The worker tries it again"]),
        ("working", ["Mailbox Not known yet."]),
        (
            "filling",
            [
                "82 % full: 3.31 GB of 4.00 GB, by an estimate",
                "2 h ago. At the present rate it will be full in 23 days.",
                "delete_handled",
            ],
        ),
        (
            "full",
            [
                "100 % full: 52.4 MB of 52.4 MB, by the server's quota, 60 s ago.",
                "It is full",
                "Ask the senders to send again",
            ],
        ),
        ("standing-by", ["Held by two, 30 s left.", "Next poll By two, which holds the lease."]),
        (
            "cooling",
            ["Not before 23 Nov 14:14 UTC, in 9 min.", "Next poll After the next login, not before 23 Nov 14:14 UTC."],
        ),
        (
            "halted",
            [
                "None until a person or a new password",
                "Next poll None until the worker may log in again.",
                "66 min ago, failed. The last good one was 2 h ago.",
            ],
        ),
    ],
)
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
