"""The documentation holds what it promises: a heading for whatever an operator sees, tests and files that exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # it comes without types

from worker.commands.exits import ExitCode
from worker.logs.events import CATALOGUE, Level
from worker.observe.alerts import Rule
from worker.observe.audit import audit_kinds

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
RUNBOOK = (DOCS / "runbook.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in re.split(r"^### ", RUNBOOK, flags=re.MULTILINE)[1:]}
HEADINGS = {word for heading in SECTIONS for word in heading.split(" · ")}


def _prometheus_alerts() -> list[str]:
    (group,) = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule["alert"] for rule in group["rules"]]


ERRORS = [name for name, event in CATALOGUE.items() if event.level is Level.ERROR]


@pytest.mark.parametrize(
    "name", [*_prometheus_alerts(), *Rule, *ERRORS, *(f"Exit code {int(code)}" for code in ExitCode)]
)
def test_whatever_an_operator_sees_is_a_heading_of_the_runbook(name: str) -> None:
    assert str(name) in HEADINGS


def test_the_runbook_has_no_heading_for_what_there_is_not() -> None:
    states = {"Standing by", "Paused by a person", "The clock", "scheduler-stalled"}
    there = {*states, *_prometheus_alerts(), *map(str, Rule), *ERRORS, *(f"Exit code {int(code)}" for code in ExitCode)}
    assert there >= HEADINGS


@pytest.mark.parametrize("heading", [heading for heading in SECTIONS if heading != "Exit code 0"])
def test_each_heading_says_what_comes_first(heading: str) -> None:
    assert "First:" in SECTIONS[heading]


@pytest.mark.parametrize("page", ["hazards.md", "security.md"])
def test_each_test_that_a_page_names_exists(page: str) -> None:
    named = set(re.findall(r"`((?:tests|deploy)/[^`]+|requirements\.lock)`", (DOCS / page).read_text()))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def _rows(section: str, begin: str = "| H") -> list[list[str]]:
    part = (DOCS / "hazards.md").read_text().partition(section)[2].partition("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith(begin)
    ]


def test_each_hazard_has_a_mitigation_and_a_test() -> None:
    rows = _rows("## Hazards\n")
    assert [row[0] for row in rows] == [f"H{number}" for number in range(1, len(rows) + 1)]
    for row in rows:
        assert len(row) == 9
        assert all(cell.strip() for cell in row)
        assert "`tests/" in row[5]
        assert int(row[8]) in range(1, 6)


def test_each_hazard_was_rated_before_its_mitigation_too_and_every_risk_is_the_table_s() -> None:
    (severities,) = _rows("# Hazard log", "| likelihood ")
    risks = {row[0]: row[1:] for row in _rows("# Hazard log", "| ") if row[0] != "likelihood"}

    def risk(severity: str, likelihood: str) -> int:
        return int(risks[likelihood][severities.index(severity) - 1])

    after, before = _rows("## Hazards\n"), _rows("## Before mitigation")
    assert [row[0] for row in before] == [row[0] for row in after]
    for row in after:
        assert int(row[8]) == risk(row[6], row[7]), row[0]
    for row, later in zip(before, after, strict=True):
        assert len(row) == 6
        assert all(row)
        assert int(row[3]) == risk(row[1], row[2]) >= int(later[8]), row[0]


def test_each_command_that_the_documents_name_is_there() -> None:
    from worker.cli.main import commands

    pages = [*DOCS.glob("*.md"), ROOT / "README.md"]
    named = {
        command for page in pages for command in re.findall(r"nhsmail-worker ([a-z]+(?: [a-z]+)?)", page.read_text())
    }
    unknown = []
    for words in sorted(named):
        first, _, second = words.partition(" ")
        command = commands.commands.get(first)
        inner = getattr(command, "commands", None)
        if command is None or (inner is not None and second and second not in inner):
            unknown.append(words)
    assert unknown == []


def test_the_page_on_the_audit_trail_is_made_from_it() -> None:
    assert (DOCS / "audit.md").read_text() == audit_kinds.markdown(), "python -m worker.observe.audit > docs/audit.md"


def test_no_block_of_code_comes_out_as_prose(tmp_path: Path) -> None:
    """What Markdown takes for no fence is set as running text, its stars and indentation lost, and nobody is told."""
    built = [sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "-d", str(tmp_path)]
    subprocess.run(built, cwd=ROOT, check=True, timeout=60)
    pages = {page.name: page.read_text() for page in tmp_path.glob("*.html")}
    assert len(pages) > len(list(DOCS.glob("*.md")))
    assert [name for name, text in pages.items() if "```" in text] == []
