"""A channel that hangs is given up on, and isn't sent anything else until it is done."""

import threading

import pytest

from worker.observe.bounded_channel import BoundedChannel
from worker.observe.delivery import NotSent
from worker.observe.send_failure import Why


class Channel:
    """Holds each delivery until `go` is set. fault: what it raises then."""

    name = "slow"

    def __init__(self, fault: Exception | None = None) -> None:
        self.go = threading.Event()
        self.fault = fault
        self.got: list[str] = []

    def send(self, news: str, /) -> str:
        self.go.wait(30)
        if self.fault is not None:
            raise self.fault
        self.got.append(news)
        return f"took {news}"


def test_what_comes_in_time_is_passed_on() -> None:
    channel = Channel()
    channel.go.set()
    bounded = BoundedChannel[str](channel, patience=30)
    assert (bounded.name, bounded.send("one"), bounded.send("two")) == ("slow", "took one", "took two")


@pytest.mark.parametrize("fault", [NotSent(404, Why.GONE, "gone"), ValueError("a fault of our own")])
def test_what_it_raises_is_raised(fault: Exception) -> None:
    channel = Channel(fault)
    channel.go.set()
    with pytest.raises(type(fault)) as caught:
        BoundedChannel[str](channel, patience=30).send("one")
    assert caught.value is fault


def test_one_that_hangs_is_given_up_on_and_sent_nothing_beside() -> None:
    channel = Channel()
    bounded = BoundedChannel[str](channel, patience=0.01)
    for why in (Why.SLOW, Why.STILL_SENDING, Why.STILL_SENDING):
        with pytest.raises(NotSent) as caught:
            bounded.send(why.value)
        assert caught.value.why is why
    threads = [one for one in threading.enumerate() if one.name == "alert-slow"]  # while there is one
    channel.go.set()
    for thread in threads:
        thread.join(30)
    assert channel.got == ["slow"]
    assert BoundedChannel[str](channel, patience=30).send("next") == "took next"
