"""An alert channel that is given up on after a time, so that one that hangs keeps no other waiting."""

import threading
from typing import Final, Generic, TypeVar

from worker.observe.delivery import Channel, NotSent
from worker.observe.send_failure import Why

PATIENCE: Final = 45.0
"""Seconds for one delivery. Libraries bound each step of theirs, but not the sum: a peer that sends a byte every few
seconds would hold them for ever."""

News = TypeVar("News")


class BoundedChannel(Generic[News]):
    """Passes news on in a thread of its own, and waits so long at most. Until it ends, nothing else is sent."""

    def __init__(self, channel: Channel[News], *, patience: float = PATIENCE) -> None:
        self.name = channel.name
        self._channel = channel
        self._patience = patience
        self._running: threading.Thread | None = None

    def send(self, news: News, /) -> str | None:
        """Deliver it. Raises `NotSent`, and whatever the channel raises."""
        if self._running is not None and self._running.is_alive():
            raise NotSent(None, Why.STILL_SENDING)
        delivery = _Delivery(self._channel, news)
        self._running = threading.Thread(target=delivery.run, name=f"alert-{self.name}", daemon=True)
        self._running.start()
        self._running.join(self._patience)
        if self._running.is_alive():
            raise NotSent(None, Why.SLOW)
        return delivery.result()


class _Delivery(Generic[News]):
    """One delivery, and what came of it."""

    def __init__(self, channel: Channel[News], news: News) -> None:
        self._channel = channel
        self._news = news
        self._said: str | None = None
        self._error: Exception | None = None

    def run(self) -> None:
        try:
            self._said = self._channel.send(self._news)
        except Exception as error:  # noqa: BLE001 -- raised again by `result`, in the thread that waits for it
            self._error = error

    def result(self) -> str | None:
        """What the channel returned. Raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._said
