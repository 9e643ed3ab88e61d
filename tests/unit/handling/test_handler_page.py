"""docs/handler-settings.md says what the settings of the built-in handlers are, and nothing else."""

from pathlib import Path

import pytest

from worker.handling.catalogue import built_in_handlers
from worker.handling.handler_page import handler_page
from worker.handling.signature import own_model
from worker.settings.described import described

PAGE = Path(__file__).parents[3] / "docs" / "handler-settings.md"
TARGETS = built_in_handlers()
MODELS = {name: model for name, target in TARGETS.items() if (model := own_model(target)) is not None}


def test_the_committed_page_is_up_to_date() -> None:
    assert PAGE.read_text() == handler_page(), "run: python -m worker.handling.handler_page > docs/handler-settings.md"


def test_every_built_in_handler_says_what_it_does() -> None:
    assert len(TARGETS) >= 7
    page = handler_page()
    for name, target in TARGETS.items():
        (section,) = [part for part in page.split("\n## ") if part.startswith(f"`{name}`\n")]
        assert section.split("\n")[2].endswith("."), name
        assert section.split("\n")[2] == str(target.__doc__).partition("\n")[0]


@pytest.mark.parametrize("name", MODELS)
def test_every_setting_is_on_the_page_with_its_meaning(name: str) -> None:
    (section,) = [part for part in handler_page().split("\n## ") if part.startswith(f"`{name}`\n")]
    settings = list(described(MODELS[name]))
    assert settings
    for one in settings:
        (row,) = [line for line in section.splitlines() if line.startswith(f"| `{one.key}` |")]
        _, kind, default, meaning = (cell.strip() for cell in row.strip("|").split(" | "))
        assert kind
        assert default
        assert meaning.endswith("."), row
        if one.is_required:
            assert f"\n{one.key} = {one.example}\n" in section
            assert one.example
