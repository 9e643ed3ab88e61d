"""Imports what a handler's name stands for, and builds the handler from it."""

import importlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from worker.connections import Proxy
from worker.handling.handler import Handler, nothing
from worker.handling.outage import Outages
from worker.handling.retention import copies_of


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


def built(name: str, target: Any, own: Any, proxy: Proxy | None = None) -> Handler:
    """Build a handler from this function, object or class.

    own: the handler's own settings; None if it has none. proxy: given to a class that asks for it.

    Raises:
        TypeError: its `outages` aren't exception classes. Whatever the class's constructor raises.
    """
    module = module_of(target)
    if inspect.isclass(target):
        build: Callable[..., Any] = target
        given = {"proxy": proxy} if asks_for_proxy(target) else {}
        target = build(own, **given) if own is not None else build(**given)
    flush, close = _method(target, "flush"), _method(target, "close")
    return Handler(name, target, flush, close, outages_of(target), copies_of(target), module)


def module_of(target: Any) -> str:
    """The module in which this function, class or object is written; empty if that isn't known."""
    while isinstance(target, partial):
        target = target.func
    target = target if inspect.isclass(target) or inspect.isroutine(target) else type(target)
    module = getattr(inspect.unwrap(target), "__module__", None)
    return module if isinstance(module, str) else ""


def asks_for_proxy(target: Any) -> bool:
    """Whether this is a class whose constructor has a keyword-only parameter `proxy`."""
    if not inspect.isclass(target):
        return False
    try:
        found = inspect.signature(target).parameters.get("proxy")
    except ValueError:
        return False  # written in C, without a signature
    return found is not None and found.kind is inspect.Parameter.KEYWORD_ONLY


def outages_of(target: Any) -> Outages:
    """What a handler declares as its `outages`. Raises TypeError if that can't be right."""
    declared = getattr(target, "outages", ())
    if isinstance(declared, tuple) and all(inspect.isclass(one) and issubclass(one, Exception) for one in declared):
        return declared
    raise TypeError("outages must be a tuple of exception classes, such as outages = (ServiceUnavailable,)")


def _method(target: Any, name: str) -> Callable[[], object]:
    method = getattr(target, name, None) if not inspect.isroutine(target) else None
    return method if callable(method) else nothing
