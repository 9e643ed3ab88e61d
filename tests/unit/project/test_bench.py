"""What `python -m bench` prints, and writes into docs/performance.md."""

from pathlib import Path

import pytest

from bench.__main__ import PARTS
from bench.options import Distance, parse
from bench.over_link import listed
from bench.page import BEGIN, END, write
from bench.peer_programs import peers
from bench.report import Report, Spread
from tests.unit.project.test_docs import DOCS

PAGE = f"# Before\n\n{BEGIN}\n{END}\n\nAfter.\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def report(*rows: tuple[str, str, str]) -> Report:
    """Of rows with part, name and figure."""
    made, last = Report(), ""
    for part, name, figure in rows:
        if part != last:
            made.begin(part, "a quiet day")
        made.say(name, figure, "≤ 2", met=figure <= "2")
        last = part
    return made


def rows_of(page: Path) -> list[list[str]]:
    """The cells of each row below the head."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_a_ratio_is_that_of_each_round() -> None:
    ratio = Spread.ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0])
    assert (ratio.least, ratio.middle, ratio.most) == (1.0, 2.0, 3.0)
    assert str(ratio) == "2.00 (1.00–3.00)"


def test_the_table_comes_between_the_marks(page: Path) -> None:
    write(page, report(("drains", "   once", "1"), ("link", "a | b", "3")).rows, ["drains", "link"])
    assert rows_of(page) == [
        ["drains", "drains", "a quiet day", "", ""],
        ["drains", "once", "1", "≤ 2", "met"],
        ["link", "link", "a quiet day", "", ""],
        ["link", "a / b", "3", "≤ 2", "NOT MET"],
    ]
    assert page.read_text().startswith("# Before\n")
    assert page.read_text().endswith(f"{END}\n\nAfter.\n")


def test_a_part_measured_again_replaces_its_own_rows_only(page: Path) -> None:
    parts = ["drains", "link"]
    write(page, report(("link", "far", "1"), ("link", "farther", "1")).rows, parts)
    write(page, report(("drains", "once", "1")).rows, parts)
    write(page, report(("link", "far", "2")).rows, parts)
    assert [row[1:3] for row in rows_of(page)] == [
        ["drains", "a quiet day"],
        ["once", "1"],
        ["link", "a quiet day"],
        ["far", "2"],
    ]


def test_a_page_without_marks_is_refused(page: Path) -> None:
    page.write_text("# No table\n")
    with pytest.raises(ValueError, match="no line"):
        write(page, [], [])
    assert page.read_text() == "# No table\n"


def test_every_row_of_the_documentation_is_of_a_part_that_there_is() -> None:
    text = (DOCS / "performance.md").read_text()
    table = text.partition(BEGIN)[2].partition(END)[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert rows
    assert {row.split("|")[1].strip() for row in rows} <= set(PARTS)


def test_the_documentation_says_of_every_part_what_it_compares() -> None:
    text = (DOCS / "performance.md").read_text()
    assert [part for part in PARTS if f"\n| `{part}` | " not in text] == []


def test_round_trips_of_one_kind_are_listed_together() -> None:
    commands = [
        "TCP connection",
        "UID FETCH 1…100 (BODY.PEEK[]<0.65>)",
        'UID MOVE 1…100 "Processed"',
        "UID SEARCH UID 1…* SINCE 01-Feb-2026",
        "UID FETCH 101 (BODY.PEEK[]<0.65>)",
    ]
    assert listed(commands) == (
        '`TCP connection`, 2 × `UID FETCH … (BODY.PEEK[]<0.65>)`, `UID MOVE … "Processed"`, `UID SEARCH UID … SINCE …`'
    )


def test_a_program_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("BENCH_PEERS_PYTHON", "no-such-python")
    absent = [peer.absent for peer in peers()]
    assert len(absent) == 4
    assert all("BENCH_PEERS_PYTHON" in reason for reason in absent[:2])
    assert "Debian's package fetchmail" in absent[2]
    assert "Debian's package isync" in absent[3]


def test_options_that_may_be_given_again() -> None:
    given = parse(["--only", "link", "--only", "peers", "--link", "30:200:1000"], PARTS, None)
    assert given.link == (Distance(round_trip=0.03, rate=200e6, messages=1_000),)
    assert [part for part in PARTS if given.wants(part)] == ["link", "peers"]
    assert all(parse([], PARTS, None).wants(part) for part in PARTS)
