"""Which handlers are given the proxy, whose password it holds: those that ask for it, and no others."""

from typing import Any

import pytest

from worker.connections import Proxy
from worker.handling.building import asks_for_proxy, built

PROXY = Proxy.of("https://proxy.example:3128", username="svc", password="Quiet-Harbour-73")


class Base:
    def __call__(self, message: object) -> None:
        """Take it."""


class Asks(Base):
    def __init__(self, own: object, *, proxy: Proxy | None = None) -> None:
        self.own, self.proxy = own, proxy


class AsksAlone(Base):
    def __init__(self, *, proxy: Proxy | None = None) -> None:
        self.proxy = proxy


class HasItsOwn(Base):
    """Its parameter of that name is something else: it can be given by position."""

    def __init__(self, own: object, proxy: str = "mine") -> None:
        self.proxy = proxy


class TakesAnything(Base):
    def __init__(self, own: object, **more: Any) -> None:
        self.more = more


@pytest.mark.parametrize("proxy", [PROXY, None])
def test_it_is_given_to_who_asks(proxy: Proxy | None) -> None:
    called: Any = built("asks", Asks, "settings", proxy).call
    assert (called.own, called.proxy) == ("settings", proxy)
    called = built("alone", AsksAlone, None, proxy).call
    assert called.proxy is proxy


def test_it_is_given_to_no_other() -> None:
    own: Any = built("own", HasItsOwn, "settings", PROXY).call
    assert own.proxy == "mine"
    anything: Any = built("anything", TakesAnything, "settings", PROXY).call
    assert anything.more == {}
    for target in (HasItsOwn, TakesAnything, Base, len, object()):
        assert not asks_for_proxy(target)
