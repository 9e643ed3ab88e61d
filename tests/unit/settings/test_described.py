"""A setting in words: type, default, meaning, and what stands in the file."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, SecretStr

from worker.settings.described import REQUIRED, UNSET, Described, described, written_value
from worker.settings.types import Size


class Model(BaseModel):
    """Settings of every kind."""

    url: str = Field(description="Where to.", examples=["https://far.end"])
    old: timedelta | None = Field(default=None, json_schema_extra={"shown_default": "never"})
    wait: timedelta = timedelta(minutes=1)
    largest: Size = 64_000_000
    way: Literal["a", "b"] = "a"
    codes: frozenset[int] = frozenset({422, 400})
    texts: dict[str, str] = Field(default_factory=dict)
    more: dict[str, Any] = Field(default_factory=lambda: {"region": "here"})
    folder: Path | None = None
    key: SecretStr | None = Field(default=None, description="A key.")
    password: SecretStr | None = None
    password_file: Path | None = Field(default=None, description="Its own.")
    named: str = Field(default="x", alias="schema")


FOUND = {one.key: one for one in described(Model)}


@pytest.mark.parametrize(
    ("key", "kind", "default"),
    [
        ("url", "text", REQUIRED),
        ("old", "duration", "never"),
        ("wait", "duration", '`"1m"`'),
        ("largest", "size", '`"64MB"`'),
        ("way", '`"a"`, `"b"`', '`"a"`'),
        ("codes", "list of: whole number", "`[400, 422]`"),
        ("texts", "table of texts", "`{}`"),
        ("more", "table", '`{ region = "here" }`'),
        ("folder", "path", UNSET),
        ("key", "secret", UNSET),
        ("schema", "text", '`"x"`'),
    ],
)
def test_type_and_default_are_told_in_words(key: str, kind: str, default: str) -> None:
    assert (FOUND[key].kind, FOUND[key].default) == (kind, default)


def test_each_secret_is_followed_by_the_setting_that_names_its_file() -> None:
    assert list(FOUND)[list(FOUND).index("key") + 1] == "key_file"
    assert FOUND["key_file"] == Described("key_file", "path", UNSET, "A file that holds `key`, and nothing else.")
    assert FOUND["password_file"].meaning == "Its own."
    assert list(FOUND).count("password_file") == 1


def test_what_is_required_has_an_example() -> None:
    assert FOUND["url"].is_required
    assert FOUND["url"].example == '"https://far.end"'
    assert FOUND["url"].written is None
    assert not FOUND["old"].is_required


def test_a_value_is_written_as_in_the_file() -> None:
    assert written_value((True, 1, 0.5, "a")) == '[true, 1, 0.5, "a"]'
    assert written_value({"a": ["b"]}) == '{ a = ["b"] }'
