"""Makes the pictures of the documentation, and the README's copy of what the demo prints: `make pictures`.

The page is the worker's own, rendered from a state with a fixed clock. The demo is run, and what differs from run to
run (the port, the seconds, the folder) is put as the README has it. Chromium draws both.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

from worker.journal.size_note import Fullness, SizeNote
from worker.login.expiry import KnownBy, Thing
from worker.observe.page import render
from worker.observe.view import (
    ExpiryView,
    LeaseView,
    ListedView,
    MessagesView,
    PollView,
    StatusView,
)
from worker.observe.work_view import HandlerView, OutcomesView, RouteView

ROOT: Final = Path(__file__).parents[1]
PICTURES: Final = ROOT / "docs" / "pictures"
NOW: Final = datetime(2026, 11, 23, 14, 5, 10, tzinfo=UTC)
BEGIN, END = "<!-- what the demo prints -->\n", "<!-- end -->\n"
COLUMNS: Final = 80
_TERMINAL: Final = (
    "<!doctype html><meta charset=utf-8><style>body{margin:0;background:#10161d;color:#e8edf2}"
    "pre{display:inline-block;margin:0;padding:1rem;font:13px/1.18 'DejaVu Sans Mono',monospace}"
    "</style><pre>"
)


def main() -> None:
    """Make all of them."""
    printed = demo_printed()
    write_readme(printed)
    PICTURES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        page = render(state())
        _draw(browser, page, "page-phone.png", (390, 844), "light")
        _draw(browser, page, "page-desk.png", (1280, 860), "light")
        _draw(browser, page, "page-dark.png", (390, 844), "dark")
        _draw(browser, f"{_TERMINAL}$ make demo\n{escape(printed)}</pre>", "demo.png", (10, 10), "dark")
        browser.close()


def demo_printed() -> str:
    """What `make demo` prints, with what differs from run to run as the README has it."""
    with tempfile.TemporaryDirectory(prefix="nhsmail-pictures-") as folder:
        answer = subprocess.run(
            [Path(sys.executable).with_name("nhsmail-worker"), "demo"],
            cwd=folder,
            env={**os.environ, "COLUMNS": str(COLUMNS)},
            capture_output=True,
            text=True,
            check=True,
        )
    return as_in_readme(answer.stdout)


def as_in_readme(printed: str) -> str:
    """The demo's output with a fixed port, time, folder and command."""
    lines = [line.rstrip() for line in printed.splitlines()]
    lines = [re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:44993", line) for line in lines]
    lines = [re.sub(r"^Took( +)[\d.]+ s$", r"Took\g<1>5.0 s", line) for line in lines]
    lines = [re.sub(r"^(Archive|Configuration|Log)( +).*/([^/]+)$", r"\1\2demo-state/\3", line) for line in lines]
    lines = [re.sub(r"^(Try next| {8})( {7})\S.*? demo(?: --dir \S+)?(?= |$)", _typed, line) for line in lines]
    return "\n".join(lines) + "\n"


def _typed(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}.venv/bin/nhsmail-worker demo"


def in_readme() -> str:
    """The README's copy."""
    block = (ROOT / "README.md").read_text().partition(BEGIN)[2].partition(END)[0]
    return block.removeprefix("```text\n").removesuffix("```\n")


def write_readme(printed: str) -> None:
    """Put this output into the README."""
    path = ROOT / "README.md"
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    path.write_text(f"{before}{begin}```text\n{printed}```\n{end}{after}")


def state() -> StatusView:
    """A worker on an ordinary afternoon, with one dead letter."""
    day = NOW.replace(hour=0, minute=0, second=0)
    key = "b6x4q2ndk7vrh3sw5yfgzj2mca"
    return StatusView(
        account="pathology.results@nhs.net",
        now=NOW,
        replica="worker-1",
        version="0.1.0",
        started_at=NOW - timedelta(days=6),
        last_poll=PollView(at=NOW - timedelta(seconds=12), ok=True, new=2),
        last_good_poll_at=NOW - timedelta(seconds=12),
        next_poll_at=NOW + timedelta(seconds=48),
        lease=LeaseView(holder="worker-1", expires_at=NOW + timedelta(seconds=48)),
        messages=MessagesView(
            pending=2, handled=41_207, junk=1_312, failed=1, gone=3, released=14, oldest_pending_seconds=9
        ),
        expiries=(
            ExpiryView(
                thing=Thing.CLIENT_SECRET,
                expires_at=NOW + timedelta(days=141),
                days_left=141,
                known_by=KnownBy.SETTINGS,
            ),
        ),
        mailbox=SizeNote(
            (NOW - timedelta(minutes=40)).timestamp(),
            2_480_000_000,
            4_000_000_000,
            estimate=False,
            told=True,
            fullness=Fullness.FINE,
            days_left=None,
        ),
        hours=tuple(
            OutcomesView(at=at, handled=_by_hour(at.hour), junk=at.hour % 5 // 2, failed=int(at.hour == 9))
            for number in range(24)
            for at in [NOW.replace(minute=0, second=0) - timedelta(hours=23 - number)]
        ),
        days=tuple(
            OutcomesView(at=at, handled=_by_day(at), junk=18 + number * 7 % 13, failed=int(number in (11, 29)))
            for number in range(30)
            for at in [day - timedelta(days=29 - number)]
        ),
        dead_letters=(ListedView(key=key, since=NOW - timedelta(hours=5), reason="archive:OSError"),),
        junk=tuple(
            ListedView(key=f"{key[:-1]}{letter}", since=NOW - timedelta(hours=hours), reason=reason)
            for letter, hours, reason in (
                ("b", 1, "Exchange's headers"),
                ("d", 3, "Junk folder, Exchange's headers"),
                ("e", 4, "SpamAssassin's headers"),
            )
        ),
        routes=(RouteView(route="pathology", done=2_803, failed=1, retried=6), RouteView(route="junk", done=141)),
        handlers=(
            HandlerView(
                handler="archive",
                calls=2_810,
                failed=1,
                retried=6,
                median=0.021,
                slowest=4.2,
                slowest_at=NOW - timedelta(hours=5),
            ),
            HandlerView(
                handler="quarantine", calls=141, median=0.002, slowest=0.03, slowest_at=NOW - timedelta(days=2)
            ),
        ),
    )


def _by_hour(hour: int) -> int:
    return (2, 1, 0, 1, 0, 3, 9, 24, 47, 61, 58, 52, 40, 44, 57, 49, 38, 21, 12, 9, 6, 5, 3, 2)[hour]


def _by_day(at: datetime) -> int:
    return 61 + at.day % 7 if at.weekday() >= 5 else 410 + at.day * 37 % 120


def _draw(browser: Browser, html: str, name: str, size: tuple[int, int], scheme: str) -> None:
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page = context.new_page()
    page.set_content(html)
    target = page.locator("pre") if name == "demo.png" else page
    target.screenshot(path=PICTURES / name)
    context.close()


def _chromium() -> str:
    found: Sequence[str | None] = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    for program in found:
        if program is not None:
            return program
    raise SystemExit("Chromium is needed: apt-get install chromium")


if __name__ == "__main__":
    main()
