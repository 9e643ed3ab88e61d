"""The documentation's pictures are there, small, described for those who don't see them, and from nowhere else."""

import re
import struct
from pathlib import Path

import pytest

from scripts.pictures import COLUMNS, as_in_readme, in_readme, state
from worker.observe.page import render
from worker.observe.phrases import headline

ROOT = Path(__file__).parents[3]
PICTURES = sorted((ROOT / "docs" / "pictures").glob("*.png"))
LARGEST = 150_000
SHOWN = re.compile(r'!\[([^\]]*)\]\(([^)]+\.png)\)|<img src="([^"]+)"[^>]* alt="([^"]*)"')


def shown(page: Path) -> dict[Path, str]:
    """The pictures that a page shows, with their descriptions."""
    found = SHOWN.finditer(page.read_text())
    return {(page.parent / (one[2] or one[3])).resolve(): one[1] or one[4] for one in found}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small(picture: Path) -> None:
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert 300 < width <= 1280
    assert 300 < height <= 1000
    assert len(content) < LARGEST


def test_each_picture_is_shown_and_each_shown_one_is_there() -> None:
    found = shown(ROOT / "README.md") | shown(ROOT / "docs" / "index.md") | shown(ROOT / "docs" / "runbook.md")
    dark = {(ROOT / one).resolve() for one in re.findall(r'srcset="([^"]+)"', (ROOT / "README.md").read_text())}
    assert set(found) | dark == set(PICTURES)
    assert all(len(description) > 40 for description in found.values())
    assert {path.name for path in shown(ROOT / "README.md")} == {"page-phone.png", "page-desk.png"}


def test_the_pictures_descriptions_say_what_the_page_says() -> None:
    sentence = headline(state()).text.partition(".")[0]
    assert sentence in render(state())
    assert sentence in shown(ROOT / "README.md")[(ROOT / "docs" / "pictures" / "page-phone.png").resolve()]


def test_what_differs_from_run_to_run_is_put_as_the_readme_has_it() -> None:
    printed = (
        "A mailbox of 2 sample messages listens on 127.0.0.1:5, with TLS.   \n"
        "Took           12.34 s\n"
        "Archive        /somewhere/else/demo-state/archive\n"
        "Try next       /usr/bin/python -m worker demo --dir /tmp/x status\n"
        "               /usr/bin/python -m worker demo --dir /tmp/x check --connect\n"
    )
    assert as_in_readme(printed) == (
        "A mailbox of 2 sample messages listens on 127.0.0.1:44993, with TLS.\n"
        "Took           5.0 s\n"
        "Archive        demo-state/archive\n"
        "Try next       .venv/bin/nhsmail-worker demo status\n"
        "               .venv/bin/nhsmail-worker demo check --connect\n"
    )


def test_the_readme_shows_it_for_a_terminal_of_80_columns() -> None:
    lines = in_readme().splitlines()
    assert len(lines) > 20
    assert max(map(len, lines[:-1])) <= COLUMNS
