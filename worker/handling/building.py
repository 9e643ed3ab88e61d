"""Imports what a handler's name stands for, and builds the handler from it."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from worker.handling.handler import Handler, nothing


class NotInside(AttributeError):
    """A module was imported but lacks a name.

    missing: the name. place: the module or the object in it that lacks it. there: the callables that it has.
    """

    def __init__(self, missing: str, place: str, there: tuple[str, ...]) -> None:
        super().__init__(f"{place} has no {missing}")
        self.missing, self.place, self.there = missing, place, there


def imported(target: str) -> Any:
    """Import the object that `module:name` stands for. Raises `NotInside`, and whatever importing raises."""
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
    """Build a handler from this function, object or class. Raises whatever the class's constructor raises.

    own: the handler's own settings; None if it has none.
    """
    if inspect.isclass(target):
        build: Callable[..., Any] = target
        target = build(own) if own is not None else build()
    return Handler(name, target, _method(target, "flush"), _method(target, "close"))


def _method(target: Any, name: str) -> Callable[[], object]:
    method = getattr(target, name, None) if not inspect.isroutine(target) else None
    return method if callable(method) else nothing
