"""What several listeners are told."""

import inspect
from typing import Any

import pytest

from worker.pipeline.observer import Observer, Observers

EVENTS = [name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if not name.startswith("_")]


class Listener:
    """Notes every event with what it was told."""

    def __init__(self, name: str, told: list[tuple[Any, ...]]) -> None:
        self._name = name
        self._told = told

    def __getattr__(self, event: str) -> Any:
        return lambda *args, **named: self._told.append((self._name, event, args, named))


@pytest.mark.parametrize("event", EVENTS)
def test_each_listener_is_told_of_each_event_with_all_of_it_in_their_order(event: str) -> None:
    told: list[tuple[Any, ...]] = []
    listeners: Any = [Listener("first", told), Listener("second", told)]
    parameters = list(inspect.signature(getattr(Observer, event)).parameters.values())[1:]
    args = tuple(object() for one in parameters if one.kind is not one.KEYWORD_ONLY)
    named = {one.name: object() for one in parameters if one.kind is one.KEYWORD_ONLY}
    getattr(Observers(*listeners), event)(*args, **named)
    assert told == [("first", event, args, named), ("second", event, args, named)]
    getattr(Observer(), event)(*args, **named)  # whoever overrides nothing ignores it
