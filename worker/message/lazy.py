"""Values that are worked out when they are first asked for, and kept."""

from functools import cached_property
from typing import Any, Self, TypeVar, overload

_T = TypeVar("_T", covariant=True)


class lazy(cached_property[_T]):  # noqa: N801 -- a decorator, named like the one that it is
    """`functools.cached_property` without its lock: until Python 3.12 one thread at a time works a value out, over all
    instances of a class, and the pool's threads wait for each other at every message. From then on they are alike.

    Two threads that ask one object at once may both work it out, and one of the two values is kept.
    """

    @overload
    def __get__(self, instance: None, owner: type[Any] | None = None) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type[Any] | None = None) -> _T: ...

    def __get__(self, instance: object | None, owner: type[Any] | None = None) -> Self | _T:
        """The value; only asked for where the instance hasn't kept one."""
        if instance is None:
            return self
        value = self.func(instance)
        instance.__dict__[self.attrname or ""] = value
        return value
