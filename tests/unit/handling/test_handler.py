"""A handler that is ready to be called."""

from typing import Any

import pytest

from worker.handling.handler import Handler


def test_a_handler_that_only_promises_to_work_fails_at_its_first_message(calls: list[Any]) -> None:
    import some_handlers  # type: ignore[import-not-found]  # written by the fixture

    with pytest.raises(TypeError, match="did nothing"):
        Handler("x", some_handlers.hidden_promise)(object())  # type: ignore[arg-type]  # it looks at nothing
