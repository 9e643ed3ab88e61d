"""The documentation holds what it promises: a heading for whatever an operator sees, tests and files that exist."""

import json
import re
import subprocess
import sys
import tomllib
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
    states = {"Standing by", "Paused by a person", "Out of order", "The clock", "scheduler-stalled"}
    states |= {"Old messages that weren't removed", "An alert that didn't arrive", "Have a message handled again"}
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


ROOT_PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
TREES = ("worker", "handlers", "tests", "docs", "scripts", "deploy", "bench", ".ci")
"""The folders of the repository."""
PLACEHOLDER = re.compile(r"[A-Z]{4,}(?!\.md)")
"""Stands for a name of the reader's own, as in `worker/ROOM/FILE.py`."""
NOT_OURS = {"tests/test_pathology_filing.py"}
"""Paths in the package of a handler's author."""


def _paths_in(text: str) -> set[str]:
    quoted = re.findall(r"`([\w.-]+(?:/[\w.-]*)+)`", text)
    ours = {path for path in quoted if path.split("/")[0] in TREES} - NOT_OURS
    return {path for path in ours if not PLACEHOLDER.search(path)}


@pytest.mark.parametrize(
    "page", [*(ROOT / name for name in ROOT_PAGES), *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name
)
def test_each_path_of_the_repository_that_a_page_names_exists(page: Path) -> None:
    assert sorted(path for path in _paths_in(page.read_text()) if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("name", ROOT_PAGES)
def test_each_page_that_the_pages_at_the_top_lead_to_exists(name: str) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text())
    assert sorted(target for target in targets if not (ROOT / target).exists()) == []


def test_each_path_that_the_tools_settings_name_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tools = project["tool"]
    mutation = tools["mutmut"]
    named = [
        *mutation["source_paths"],
        *mutation["do_not_mutate"],
        *mutation["also_copy"],
        *mutation["pytest_add_cli_args_test_selection"],
        *tools["mypy"]["files"],
        *tools["hatch"]["build"]["targets"]["wheel"]["only-include"],
        *tools["hatch"]["build"]["targets"]["sdist"]["include"],
        *tools["ruff"]["lint"]["per-file-ignores"],
    ]
    assert [path for path in named if not any(ROOT.glob(path))] == []
    entries = project["project"]["entry-points"]["nhsmail_worker.handlers"].values()
    assert [entry for entry in entries if not (ROOT / f"{entry.partition(':')[0].replace('.', '/')}.py").exists()] == []


def test_the_order_of_the_rooms_is_the_contracts() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract["type"] == "layers"]
    part = (DOCS / "architecture.md").read_text().partition("## The rooms\n")[2].partition("\n## ")[0]
    rooms = re.findall(r"^\| `worker/(\w+)(?:/|\.py)`", part, flags=re.MULTILINE)
    for floor in layers:
        together = floor.split(" | ")
        assert sorted(rooms[: len(together)]) == sorted(together)
        del rooms[: len(together)]
    assert rooms == []


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

    pages = [*DOCS.glob("*.md"), *(ROOT / name for name in ROOT_PAGES)]
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


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as a site."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]  # with -q, warnings don't count
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert built.returncode == 0, built.stderr
    return folder


def test_no_block_of_code_comes_out_as_prose(site: Path) -> None:
    """What Markdown takes for no fence is set as running text, its stars and indentation lost, and nobody is told."""
    pages = {page.name: page.read_text() for page in site.glob("*.html")}
    assert len(pages) > len(list(DOCS.glob("*.md")))
    assert [name for name, text in pages.items() if "```" in text] == []


def test_each_diagram_is_a_picture_of_the_site(site: Path) -> None:
    drawn = 0
    for page in DOCS.glob("*.md"):
        fences = page.read_text().count("```mermaid")
        pictures = re.findall(r'<img src="(diagram-[^"]+)" .*?alt="[^"]+', (site / f"{page.stem}.html").read_text())
        assert len(pictures) == fences, page.name
        assert all((site / picture).read_text().startswith("<svg") for picture in pictures)
        drawn += fences
    assert drawn


def test_the_site_can_be_searched_and_loads_nothing_from_elsewhere(site: Path) -> None:
    found = {entry["location"] for entry in json.loads((site / "search" / "search_index.json").read_text())["docs"]}
    assert {f"{page.stem}.html" for page in DOCS.glob("*.md")} <= found
    for page in site.glob("*.html"):
        assert (
            re.findall(r'<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*', page.read_text()) == []
        )


def test_each_row_of_a_table_is_one_line() -> None:
    """Markdown ends a table at a line without bars, and the rest of the row comes out as prose."""
    broken = []
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]):
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        broken += [f"{page.name}: {row[:60]}" for row in re.findall(r"^\|.*[^|\s]\s*$", text, re.MULTILINE)]
    assert broken == []
