"""How a handler is built of what its name leads to: imported, and given its settings."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from worker.handling.handler import Handler, nothing


class NotInside(AttributeError):
    """A module was imported, and has nothing of that name. place: what hasn't. there: what can be called in it."""

    def __init__(self, missing: str, place: str, there: tuple[str, ...]) -> None:
        super().__init__(f"{place} has no {missing}")
        self.missing, self.place, self.there = missing, place, there


def imported(target: str) -> Any:
    """What `module:name` names. Raises NotInside, and whatever the module raises."""
    module, _, path = target.partition(":")
    found: Any = importlib.import_module(module)
    place = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise NotInside(part, place, _callables(found)) from None
        place = part
    return found


def _callables(place: Any) -> tuple[str, ...]:
    return tuple(name for name in dir(place) if not name.startswith("_") and callable(getattr(place, name, None)))


def built(name: str, target: Any, own: Any) -> Handler:
    """own: its settings; None where it has none. Raises whatever building it raises."""
    if inspect.isclass(target):
        build: Callable[..., Any] = target
        target = build(own) if own is not None else build()
    return Handler(name, target, _method(target, "flush"), _method(target, "close"))


def _method(target: Any, name: str) -> Callable[[], object]:
    method = getattr(target, name, None) if not inspect.isroutine(target) else None
    return method if callable(method) else nothing
