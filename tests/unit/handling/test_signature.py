"""Whether a handler can be called as the worker calls handlers."""

from pathlib import Path
from typing import Any

import pytest

from tests.unit.handling.handler_modules import only_fault


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("some_handlers:number", "isn't callable"),
        ("some_handlers:two", "can't be called with a message alone"),
        ("some_handlers:promise", "is a coroutine or a generator"),
        ("some_handlers:lazily", "is a coroutine or a generator"),
        ("some_handlers:NoCall", "has no __call__"),
        ("some_handlers:WrongSettings", "isn't a pydantic model"),
        ("some_handlers:NeedsMore", "can't be built: write its constructor as `def __init__(self) -> None`"),
        ("some_handlers:TakesNone", "write its constructor as `def __init__(self, settings: Settings) -> None`"),
    ],
)
def test_what_cant_be_called_is_a_fault(tmp_path: Path, calls: list[Any], name: str, said: str) -> None:
    assert said in only_fault(tmp_path, name)
