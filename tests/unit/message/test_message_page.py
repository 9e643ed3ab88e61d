"""docs/message.md says what handlers see, and nothing else."""

from pathlib import Path

import pytest

import worker
from worker import Attachment, Message
from worker.message.message_page import members, message_page

PAGE = Path(__file__).parents[3] / "docs" / "message.md"
TEXT = message_page()
ERRORS = {"MessageUnparsable", "MessageOverLimit"}


def test_the_committed_page_is_up_to_date() -> None:
    assert PAGE.read_text() == TEXT, "run: python -m worker.message.message_page > docs/message.md"


@pytest.mark.parametrize("name", worker.__all__)
def test_whatever_the_package_offers_to_handlers_has_a_heading(name: str) -> None:
    assert [line for line in TEXT.splitlines() if line.startswith((f"## `{name}`", f"### `{name}`", f"### `{name}("))]


@pytest.mark.parametrize("kind", [Message, Attachment])
def test_every_public_attribute_is_on_the_page_with_its_type_and_its_meaning(kind: type) -> None:
    section = TEXT.partition(f"\n## `{kind.__name__}`\n")[2].partition("\n## ")[0]
    found = {member.name.partition("(")[0]: member for member in members(kind)}
    of_class = {name for name in vars(kind) if not name.startswith("_")}
    assert of_class < set(found)
    assert {"key", "received_at"} < set(found) or {"filename", "inline"} < set(found)
    for member in found.values():
        assert member.type.strip("`"), member
        assert member.meaning.endswith("."), member
        assert f"| `{member.name}` |" in section


def test_what_parses_the_message_says_what_it_raises() -> None:
    raising = {member.name: member.raises for member in members(Message) if member.raises}
    assert set(raising) == {"content_sha256", "text", "html", "attachments", "parsed"}
    assert all(set(errors.replace("`", "").split(", ")) == ERRORS for errors in raising.values())
    content = {"read()", "open()", "size", "detected_type", "mismatched", "message()"}
    assert {member.name for member in members(Attachment) if member.raises} == content


def test_what_a_docstring_says_of_a_name_is_an_item() -> None:
    assert "- `after`: the shortest wait before the next try" in TEXT
    assert "It raises:\n\n- `TypeError`: `after` isn't a timedelta" in TEXT
    assert "- `None`" not in TEXT


def test_the_errors_can_be_imported_from_the_package() -> None:
    assert issubclass(worker.MessageUnparsable, worker.MessageError)
    assert issubclass(worker.MessageOverLimit, worker.MessageError)
