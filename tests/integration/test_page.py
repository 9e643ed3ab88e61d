"""The status page in Chromium, as served: its style holds under its own policy, it fits a phone, axe finds no fault."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it comes without types
from playwright.sync_api import Browser, Page, sync_playwright

from tests.unit.observe import views
from worker.observe.health import Health
from worker.observe.metrics import Metrics
from worker.observe.phrases import headline
from worker.observe.server import Server
from worker.observe.view import StatusView

pytestmark = pytest.mark.slow

WIDE = (1280, "light")
WIDE_DARK = (1280, "dark")
DESK = (900, "light")
PHONE = (390, "dark")
PHONE_LIGHT = (390, "light")
NARROW = (320, "light")  # WCAG 2.2, 1.4.10: no sideways scrolling down to 320 CSS pixels


class Shown:
    """A server, and the state that it shows."""

    def __init__(self) -> None:
        self.state: StatusView = views.WORKING
        self.server = Server(
            "127.0.0.1",
            0,
            status=self,
            account=views.WORKING.account,
            health=Health(pool=1),
            metrics=Metrics(),
            clock=iter(range(0, 10**9, 10)).__next__,  # ten seconds pass between any two questions: nothing is kept
        )

    def view(self) -> StatusView:
        return self.state


@pytest.fixture(scope="module")
def shown() -> Iterator[Shown]:
    shown = Shown()
    shown.server.start()
    yield shown
    shown.server.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.fail("Chromium is needed: apt-get install chromium")
    with sync_playwright() as playwright:
        # As root, as in most containers, Chromium has no sandbox; it shows our own page only.
        yield playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])


def opened(
    browser: Browser, shown: Shown, size: tuple[int, Any], *, scripts: bool = True, query: str = ""
) -> tuple[Page, list[str]]:
    """The page, and what the browser complained of."""
    width, scheme = size
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=scripts
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    response = page.goto(f"http://127.0.0.1:{shown.server.port}/{query}")
    assert response is not None
    assert response.status == 200
    return page, complaints


TELLING = ("backlog", "halted", "filling")
SIZES = {"wide": WIDE, "phone-dark": PHONE, "narrow": NARROW}
MORE = {"wide-dark": WIDE_DARK, "phone": PHONE_LIGHT, "desk": DESK}
SEEN = [
    *(pytest.param(name, size, id=f"{name}-{at}") for at, size in SIZES.items() for name in views.ALL),
    *(pytest.param(name, size, id=f"{name}-{at}") for at, size in MORE.items() for name in TELLING),
]


@pytest.mark.parametrize(("name", "size"), SEEN)
def test_the_page_is_for_everybody(browser: Browser, shown: Shown, name: str, size: tuple[int, Any]) -> None:
    shown.state = views.ALL[name]
    page, complaints = opened(browser, shown, size)
    try:
        assert complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert page.evaluate("getComputedStyle(document.querySelector('.headline')).borderLeftWidth") == "8px"
        page.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    finally:
        page.context.close()


@pytest.mark.parametrize("name", views.ALL)
def test_the_state_is_read_first_and_without_scripts(browser: Browser, shown: Shown, name: str) -> None:
    shown.state = views.ALL[name]
    page, complaints = opened(browser, shown, PHONE, scripts=False)
    try:
        assert complaints == []
        sentence = page.locator(".sentence")
        assert headline(shown.state).text in sentence.inner_text()
        box = sentence.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 400, "the state stands on the first screen of a phone"
        assert page.title().endswith(shown.state.account)
    finally:
        page.context.close()


def test_the_keyboard_reaches_what_can_be_used(browser: Browser, shown: Shown) -> None:
    shown.state = views.BACKLOG
    page, _ = opened(browser, shown, DESK)
    try:
        reached = []
        for _ in range(3):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.tagName + ' ' + document.activeElement.className"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert reached == ["A ", "SUMMARY ", "SUMMARY "]
    finally:
        page.context.close()


def test_a_forgotten_pause_shows_who_and_why_and_what_has_come(browser: Browser, shown: Shown) -> None:
    shown.state = views.FORGOTTEN
    page, complaints = opened(browser, shown, PHONE, scripts=False)
    try:
        assert complaints == []
        sentence = page.locator(".sentence").inner_text()
        assert "Paused by ann@pathology-3" in sentence
        assert "1,204 messages have arrived since the last poll" in sentence
        fact = page.locator(".facts div", has_text="Pause").first
        assert "Why: “<b>new archive</b>”. New messages since the last poll: 1,204" in fact.inner_text()
        assert page.locator(".facts b").count() == 0
    finally:
        page.context.close()


def test_it_refreshes_by_itself_until_that_is_stopped_and_again(browser: Browser, shown: Shown) -> None:
    shown.state = views.WORKING
    page, complaints = opened(browser, shown, PHONE, scripts=False, query="?refresh=5")
    try:
        assert "nothing needs a person" in page.locator(".sentence").inner_text()
        shown.state = views.HALTED
        # usually it would take 30 s
        page.wait_for_function("document.querySelector('.sentence').innerText.includes('Halted')", timeout=20_000)
        page.get_by_text("Stop refreshing").click()
        page.get_by_text("Refresh every 30 s").wait_for()  # which the page offers once it has stopped
        shown.state = views.WORKING
        page.wait_for_timeout(6000)
        assert "Halted" in page.locator(".sentence").inner_text()
        page.get_by_text("Refresh now").click()
        assert "nothing needs a person" in page.locator(".sentence").inner_text()
        page.get_by_text("Refresh every 30 s").click()
        assert page.get_by_text("Stop refreshing").count() == 1
        assert complaints == []
    finally:
        page.context.close()


@pytest.mark.parametrize("size", [PHONE, NARROW], ids=["phone", "narrow"])
def test_keys_and_labels_fit_a_phone(browser: Browser, shown: Shown, size: tuple[int, Any]) -> None:
    shown.state = views.BACKLOG
    page, _ = opened(browser, shown, size)
    try:
        lines = page.locator(".listed code").evaluate_all("all => all.map(each => each.getClientRects().length)")
        assert set(lines) == {1}, "a key stands on one line"
        heads = page.locator("thead th").evaluate_all("all => all.map(each => each.scrollWidth > each.clientWidth + 1)")
        assert not any(heads), "no label is cut off or runs into the next"
        assert "Waiting\n8,113 messages" in page.locator(".facts").first.inner_text()
    finally:
        page.context.close()
