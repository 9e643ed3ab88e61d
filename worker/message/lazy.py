"""Attributes that are calculated on first use and then cached."""

from functools import cached_property
from typing import Any, Self, TypeVar, overload

_T = TypeVar("_T", covariant=True)


class lazy(cached_property[_T]):  # noqa: N801 -- a decorator, named like `cached_property`
    """`functools.cached_property` without its lock. Needed while Python 3.11 is supported.

    Until Python 3.12, `cached_property` holds one lock for all instances of a class, so that the pool's threads would
    wait for each other at every message. From 3.12 on it has no lock, and can replace this class.

    If two threads ask the same object at once, both may calculate the value, and one of the two is kept.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> _T: ...

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | _T:
        """Calculate and cache the value. Python doesn't call this once the instance holds it."""
        if instance is None:
            return self
        value = self.func(instance)
        instance.__dict__[self.attrname or ""] = value
        return value
