"""Delivery through one alert channel: an alert or a digest is sent, and the result is logged."""

from typing import Protocol, TypeVar

from worker.logs.fields import WORD
from worker.logs.log import get_logger

log = get_logger()


class NotSent(Exception):
    """It could not be delivered. status: the status code of the receiver's answer, if there was one."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__("not sent" if status is None else f"not sent: status {status}")
        self.status = status


News = TypeVar("News", contravariant=True)


class Channel(Protocol[News]):
    """An alert channel that takes news of this kind."""

    name: str
    """A word that stays the same over restarts."""

    def send(self, news: News, /) -> None:
        """Deliver it, within seconds. Raises `NotSent`."""


def delivered(channel: Channel[News], news: News, *, rule: str, state: str) -> bool:
    """Send it, log the result, and return whether it was delivered. Never raises: one channel must not stop the others.

    rule, state: its names in the log.
    """
    name = channel.name if WORD.fullmatch(channel.name) else "unnamed"
    try:
        channel.send(news)
    except NotSent as error:
        log.warning("alert.not_sent", rule=rule, state=state, sender=name, status=error.status)
        return False
    except Exception:  # any fault, in a library or in our own code
        log.warning("alert.not_sent", rule=rule, state=state, sender=name, exc_info=True)
        return False
    log.info("alert.sent", rule=rule, state=state, sender=name)
    return True
