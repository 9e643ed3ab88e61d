"""docs/alerts.md is as the table says."""

from pathlib import Path

from worker.observe.alerts_page import page
from worker.observe.send_advice import WAYS, possible

COMMITTED = Path(__file__).parents[3] / "docs" / "alerts.md"


def test_the_committed_page_is_up_to_date() -> None:
    assert COMMITTED.read_text() == page().rstrip("\n") + "\n", "run `make docs`"


def test_it_has_a_line_for_whatever_can_go_wrong() -> None:
    lines = page().splitlines()
    for way in WAYS:
        assert all(any(line.startswith(f"| `{why}` |") for line in lines) for why in possible(way))
    assert "{" not in page()
