"""Checks by its signature whether an object can be built and called as a handler."""

import inspect
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def misfits(target: Any) -> Iterator[str]:
    """The reasons why this object can't be a handler, whatever its configuration."""
    if not callable(target):
        yield "isn't callable. A handler is a function that takes a message, or a class whose objects do."
        return
    called = target
    if inspect.isclass(target):
        called = next((vars(kind)["__call__"] for kind in target.__mro__ if "__call__" in vars(kind)), None)
        if called is None:
            yield "its class has no __call__(self, message). Add it."
            return
        yield from _misfitting_constructor(target)
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called):
        yield "is a coroutine or a generator, which calling doesn't run. Make it a plain function."
    elif not _takes(called, 2 if inspect.isclass(target) else 1):
        yield "can't be called with a message alone. Give it exactly one argument without a default."


def _misfitting_constructor(target: type) -> Iterator[str]:
    own = own_model(target)
    if "Settings" in dir(target) and own is None:
        yield "its Settings isn't a pydantic model. Derive it from pydantic.BaseModel."
    elif not _takes(target, 1 if own else 0):
        wanted = "self, settings: Settings" if own else "self"
        why = "" if own else ", because it has no Settings"
        yield f"its class can't be built: write its constructor as `def __init__({wanted}) -> None`{why}."


def _takes(called: Any, count: int) -> bool:
    try:
        inspect.signature(called).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:
        return True  # written in C, without a signature: only a call can tell
    return True


def own_model(target: Any) -> type[BaseModel] | None:
    """The handler class's nested `Settings`; None if it has none."""
    own = getattr(target, "Settings", None) if inspect.isclass(target) else None
    return own if inspect.isclass(own) and issubclass(own, BaseModel) else None
